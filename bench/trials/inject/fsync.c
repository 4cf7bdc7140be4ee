/* Has every fsync take longer, as on a slow disk: for LD_PRELOAD. FSYNC_MS says how long. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void slow(void) {
    const char *text = getenv("FSYNC_MS");
    long ms = text ? atol(text) : 20;
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&time, NULL);
}

int fsync(int fd) {
    slow();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    slow();
    return (int)syscall(SYS_fdatasync, fd);
}
