#include "bench/wire_server.h"

#include "bench/wire_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_MAX_SIZE 160
#define START_MS      20000
#define LARDERD       BENCH_BIN "/larderd"
#define GRPC_CPP      BENCH_BIN "/bench_grpc_cpp"
#define NGINX         "/usr/sbin/nginx"

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    return false;
}

/* ------------------------------------------------------------------------------------------------ the place */

static void only(cpu_set_t *set, int cpu)
{
    CPU_ZERO(set);
    CPU_SET((size_t)cpu, set);
}

bool wire_place_open(struct wire_place *place)
{
    cpu_set_t allowed, load;
    *place = (struct wire_place){.server_cpu = -1};
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return complain("processors", strerror(errno));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &allowed))
            continue;
        place->load_cpu = cpu;
        if (place->server_cpu >= 0)
            break;
        place->server_cpu = cpu;
    }
    only(&load, place->load_cpu);
    if (sched_setaffinity(0, sizeof load, &load) != 0)
        return complain("processors", strerror(errno));
    const char *under = getenv("TMPDIR");
    snprintf(place->directory, sizeof place->directory, "%.40s/larder-bench-XXXXXX", under != NULL ? under : "/tmp");
    return mkdtemp(place->directory) != NULL || complain(place->directory, strerror(errno));
}

static void run_and_wait(char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

void wire_place_close(struct wire_place *place)
{
    char rm[] = "rm", rf[] = "-rf";
    char *argv[] = {rm, rf, place->directory, NULL};
    run_and_wait(argv);
}

static bool write_file(char path[PATH_MAX_SIZE], const struct wire_place *place, const char *name, const char *format,
                       ...)
{
    snprintf(path, PATH_MAX_SIZE, "%s/%s", place->directory, name);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return complain(path, strerror(errno));
    va_list arguments;
    va_start(arguments, format);
    bool written = vfprintf(file, format, arguments) >= 0;
    va_end(arguments);
    return (fclose(file) == 0 && written) || complain(path, strerror(errno));
}

/* ------------------------------------------------------------------------------------------------ processes */

static int new_socket(uint16_t port, struct sockaddr_in *address)
{
    *address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* One that nobody has now. 0: there is none. */
static uint16_t free_port(void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = new_socket(0, &address);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    if (fd >= 0)
        close(fd);
    return bound ? ntohs(address.sin_port) : 0;
}

static bool takes_connections(uint16_t port)
{
    struct sockaddr_in address;
    int fd = new_socket(port, &address);
    bool taken = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return taken;
}

static void become(const struct wire_place *place, const char *log, char *const argv[])
{
    cpu_set_t server;
    only(&server, place->server_cpu);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int in = open("/dev/null", O_RDONLY);
    if (sched_setaffinity(0, sizeof server, &server) != 0 || out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0)
        _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

/* The last lines of its log say why it did not start. */
static bool not_started(const struct wire_server *server, const char *program, const char *log)
{
    char text[600] = "";
    FILE *file = fopen(log, "re");
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    fprintf(stderr, "bench: %s (process %d) does not serve: %s\n", program, (int)server->pid, text);
    return false;
}

static bool start(struct wire_server *server, const struct wire_place *place, uint16_t port, char *const argv[])
{
    char log[PATH_MAX_SIZE];
    snprintf(log, sizeof log, "%s/%d.log", place->directory, port);
    server->pid = fork();
    if (server->pid == 0)
        become(place, log, argv);
    if (server->pid < 0)
        return complain("fork", strerror(errno));
    for (int waited = 0; waited < START_MS; waited += 10) {
        if (takes_connections(port))
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            not_started(server, argv[0], log);
            server->pid = 0;
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return not_started(server, argv[0], log);
}

void wire_stop(struct wire_server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

uint64_t wire_cpu_ns(const struct wire_server *server)
{
    clockid_t clock;
    struct timespec used = {0};
    if (clock_getcpuclockid(server->pid, &clock) == 0)
        clock_gettime(clock, &used);
    return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------ Larder */

#define TRANSPORTS                                                                                                     \
    "node: {name: %s, log_level: warn}\n"                                                                              \
    "transports:\n"                                                                                                    \
    "  - {plugin: http, listen: \"127.0.0.1:%u\", workers: 1}\n"                                                       \
    "  - {plugin: grpc, listen: \"127.0.0.1:%u\", workers: 1}\n"
#define GROUPS "groups:\n  - {name: " WIRE_GROUP ", max_bytes: 1GiB, eviction: {plugin: lru}}\n"

static bool start_larderd(struct wire_server *server, const struct wire_place *place, char *config)
{
    char program[] = LARDERD, option[] = "--config";
    char *argv[] = {program, option, config, NULL};
    return start(server, place, server->http, argv);
}

bool wire_start_larder(struct wire_server *server, const struct wire_place *place)
{
    char config[PATH_MAX_SIZE];
    server->http = free_port();
    server->grpc = free_port();
    return write_file(config, place, "larder.yaml", TRANSPORTS GROUPS, "one", server->http, server->grpc) &&
           start_larderd(server, place, config);
}

/* Whether the answer to a GET has the text in it. */
static bool says(uint16_t port, const char *path, const char *text)
{
    struct sockaddr_in address;
    char answer[8192];
    size_t size = 0;
    int fd = new_socket(port, &address);
    bool asked = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                 dprintf(fd, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path) > 0;
    for (ssize_t got = 1; asked && got > 0 && size<sizeof answer; size += got> 0 ? (size_t)got : 0)
        got = read(fd, answer + size, sizeof answer - size);
    if (fd >= 0)
        close(fd);
    return memmem(answer, size, text, strlen(text)) != NULL;
}

/* What is stored before they have found each other may lie at the wrong one. */
static bool wait_for_each_other(const struct wire_server servers[2])
{
    for (int waited = 0; waited < START_MS; waited += 10) {
        if (says(servers[0].http, "/v1/cluster", "\"up\"") && says(servers[1].http, "/v1/cluster", "\"up\""))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return complain("two nodes", "they do not find each other");
}

bool wire_start_pair(struct wire_server servers[2], const struct wire_place *place, const char *transport)
{
    static const char *const names[] = {"a", "b"};
    for (int i = 0; i < 2; i++) {
        servers[i].http = free_port();
        servers[i].grpc = free_port();
    }
    for (int i = 0; i < 2; i++) {
        char config[PATH_MAX_SIZE], file[16];
        snprintf(file, sizeof file, "%s.yaml", names[i]);
        if (!write_file(config, place, file,
                        TRANSPORTS GROUPS
                        "cluster:\n  peer_transport: %s\n  discovery:\n    plugin: static\n    members:\n"
                        "      - {name: a, http: \"127.0.0.1:%u\", grpc: \"127.0.0.1:%u\"}\n"
                        "      - {name: b, http: \"127.0.0.1:%u\", grpc: \"127.0.0.1:%u\"}\n",
                        names[i], servers[i].http, servers[i].grpc, transport, servers[0].http, servers[0].grpc,
                        servers[1].http, servers[1].grpc) ||
            !start_larderd(&servers[i], place, config))
            return false;
    }
    return wait_for_each_other(servers);
}

/* ------------------------------------------------------------------------------------------------ the others */

bool wire_start_nginx(struct wire_server *server, const struct wire_place *place, size_t value_size)
{
    char config[PATH_MAX_SIZE], program[] = NGINX, prefix[] = "-p", option[] = "-c";
    char value[4097], directory[sizeof place->directory];
    memset(value, 'v', sizeof value);
    value[value_size < sizeof value ? value_size : sizeof value - 1] = '\0';
    memcpy(directory, place->directory, sizeof directory);
    server->http = free_port();
    if (!write_file(config, place, "nginx.conf",
                    "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log nginx.log;\n"
                    "events {worker_connections 1024;}\n"
                    "http {\n  access_log off;\n  keepalive_requests 4000000000;\n  keepalive_timeout 600;\n"
                    "  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;\n"
                    "  scgi_temp_path t5;\n"
                    "  server {\n    listen 127.0.0.1:%u;\n    location / {\n"
                    "      default_type application/octet-stream;\n      return 200 \"%s\";\n    }\n  }\n}\n",
                    server->http, value))
        return false;
    char *argv[] = {program, prefix, directory, option, config, NULL};
    return start(server, place, server->http, argv);
}

bool wire_start_grpc_cpp(struct wire_server *server, const struct wire_place *place, uint32_t keys, size_t value_size)
{
    char program[] = GRPC_CPP, port[16], count[16], size[16];
    server->grpc = free_port();
    snprintf(port, sizeof port, "%u", server->grpc);
    snprintf(count, sizeof count, "%u", keys);
    snprintf(size, sizeof size, "%zu", value_size);
    char *argv[] = {program, port, count, size, NULL};
    return start(server, place, server->grpc, argv);
}
