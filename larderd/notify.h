/* Tells the service manager what the process is up to, as systemd's Type=notify wants it. */
#ifndef LARDERD_NOTIFY_H
#define LARDERD_NOTIFY_H

/* Sends "READY=1", "STOPPING=1", ... to NOTIFY_SOCKET; nothing happens when there is none. */
void notify_send(const char *state);

/* Says that a reload has begun; READY=1 ends it. */
void notify_reloading(void);

#endif
