/* Version of the Larder headers and library. */
#ifndef LARDER_VERSION_H
#define LARDER_VERSION_H

#define LARDER_VERSION_MAJOR 0
#define LARDER_VERSION_MINOR 1
#define LARDER_VERSION_PATCH 0
#define LARDER_VERSION       "0.1.0"

#endif
