#include "bench/settings.h"

#include <fnmatch.h>
#include <stdio.h>

static bool matches(const char *patterns, const char *name)
{
    if (patterns == NULL)
        return true;
    for (const char *at = patterns; *at != '\0';) {
        char pattern[64];
        size_t length = strcspn(at, ",");
        snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        at += length + (at[length] == ',');
    }
    return false;
}

bool settings_row(const struct settings *settings, const char *row)
{
    return matches(settings->only, row);
}

bool settings_contender(const struct settings *settings, const struct contender *contender)
{
    return matches(settings->contenders, contender->name);
}
