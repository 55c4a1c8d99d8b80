/* notify - tells systemd how the service is doing (sd_notify), without its library. */
#pragma once

/* One "KEY=VALUE" line, for example "READY=1". Does nothing when nobody has asked for it
 * (NOTIFY_SOCKET is not set); a failure is nobody's business. */
void notify_systemd(const char *state);
