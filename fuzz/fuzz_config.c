/* A configuration: any text is read, or refused with an error. */
#include "larder/config.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct larder_config *config = larder_config_new();
    if (config == NULL)
        return 0;
    larder_config_parse(config, (const char *)data, size, "input");
    larder_config_free(config);
    return 0;
}
