#include "commands.h"
enum exit_code command_bench(const struct options *options)
{
    return options->json ? EXIT_DONE : EXIT_NO;
}
