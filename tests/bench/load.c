/*
 * One request over and over, over many connections: a generator that costs less than any server it drives.
 *
 * load PORT FILE OFFSET START CONNECTIONS SECONDS RATE CLOSE
 *
 * FILE holds a whole request.  At OFFSET stand ten digits (0: nowhere), which become START, START + 1 ... so
 * that no two requests are the same event.  RATE 0 sends as fast as answers come; otherwise so many
 * a second are begun whatever the server does, and time is counted from when each was due.  With CLOSE 1
 * every request has a connection of its own, which the server closes.  Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DIGITS 10
#define PATIENCE 10.0
#define MOST_TIMES 8000000

enum state { IDLE, SENDING, READING, ENDING };

struct connection {
    int fd;
    enum state state;
    size_t sent, got, wanted;
    double began;
    char digits[DIGITS + 1];
    char answer[4096];
};

static struct sockaddr_in address;
static char *request;
static size_t size, offset;
static unsigned long long number;
static int poll_fd, closes, going = 1;
static double rate, due, *times;
static long done, in_time, failed, refused, wrong;
static struct connection **idle;
static int idle_count;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void send_more(struct connection *c) {
    while (c->sent < size) {
        struct iovec parts[3];
        int count = 0;
        size_t at = c->sent;
        if (offset && at < offset) {
            parts[count++] = (struct iovec){request + at, offset - at};
            at = offset;
        }
        if (offset && at < offset + DIGITS) {
            parts[count++] = (struct iovec){c->digits + (at - offset), offset + DIGITS - at};
            at = offset + DIGITS;
        }
        parts[count++] = (struct iovec){request + at, size - at};
        ssize_t wrote = writev(c->fd, parts, count);
        if (wrote <= 0) return; /* full, still connecting, or broken: reading tells */
        c->sent += wrote;
    }
    c->state = READING;
}

static void begin(struct connection *c, double when) {
    c->sent = c->got = c->wanted = 0;
    c->began = when;
    snprintf(c->digits, sizeof c->digits, "%0*llu", DIGITS, number++);
    c->state = SENDING;
    if (c->fd < 0) {
        int one = 1;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connect(c->fd, (struct sockaddr *)&address, sizeof address);
        struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = c}};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &e);
    } else {
        send_more(c);
    }
}

static void rest(struct connection *c) {
    c->state = IDLE;
    if (!going) return;
    if (rate) idle[idle_count++] = c;
    else begin(c, now());
}

static void hang_up(struct connection *c) {
    close(c->fd);
    c->fd = -1;
    rest(c);
}

static void fail(struct connection *c) {
    failed++;
    if (failed < 100000) hang_up(c);
    else { close(c->fd); c->fd = -1; c->state = IDLE; }
}

static int complete(struct connection *c, int ended) {
    c->answer[c->got] = 0;
    if (!c->wanted) {
        char *end = strstr(c->answer, "\r\n\r\n");
        if (!end) return 0;
        char *length = strcasestr(c->answer, "\r\ncontent-length:");
        if (length && length < end) c->wanted = end + 4 - c->answer + atol(length + 17);
        else if (strcasestr(c->answer, "\r\ntransfer-encoding:")) return strstr(end, "\r\n0\r\n\r\n") != NULL;
        else if (closes) return ended;
        else c->wanted = end + 4 - c->answer;
    }
    return c->got >= c->wanted;
}

static void answered(struct connection *c) {
    double t = now();
    if (done < MOST_TIMES) times[done] = t - c->began;
    done++;
    if (going) in_time++;
    int status = atoi(c->answer + 9);
    if (status == 503 || status == 403 || status == 429) refused++;
    else if (status != 200) wrong++;
}

static void take(struct connection *c) {
    for (;;) {
        char waste[4096];
        int ending = c->state == ENDING;
        ssize_t got = ending ? read(c->fd, waste, sizeof waste)
                             : read(c->fd, c->answer + c->got, sizeof c->answer - 1 - c->got);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (ending) {
            if (got <= 0) { hang_up(c); return; }
            continue;
        }
        if (c->state == IDLE) { close(c->fd); c->fd = -1; return; }
        if (got > 0) c->got += got;
        if (complete(c, got <= 0)) {
            answered(c);
            if (closes && got > 0) { c->state = ENDING; continue; }
            if (closes || strcasestr(c->answer, "\r\nconnection: close")) hang_up(c);
            else rest(c);
            return;
        }
        if (got <= 0) { fail(c); return; }
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return x < y ? -1 : x > y;
}

static double share(double part) { return done ? times[(long)((done - 1) * part)] * 1e3 : 0; }

int main(int count, char **words) {
    if (count != 9) { fprintf(stderr, "usage: see load.c\n"); return 2; }
    address = (struct sockaddr_in){AF_INET, htons(atoi(words[1])), {htonl(INADDR_LOOPBACK)}, {0}};
    FILE *file = fopen(words[2], "rb");
    if (!file) { perror(words[2]); return 2; }
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    request = malloc(size);
    if (fread(request, 1, size, file) != size) return 2;
    offset = atol(words[3]);
    number = strtoull(words[4], NULL, 10);
    int connections = atoi(words[5]);
    double seconds = atof(words[6]);
    rate = atof(words[7]);
    closes = atoi(words[8]);
    times = malloc(MOST_TIMES * sizeof *times);
    idle = malloc(connections * sizeof *idle);
    poll_fd = epoll_create1(0);
    struct connection *all = calloc(connections, sizeof *all);
    double start = now(), end = start + seconds;
    due = start;
    for (int i = 0; i < connections; i++) {
        all[i].fd = -1;
        rest(&all[i]);
    }
    struct epoll_event events[256];
    int under_way = 1;
    while (under_way && now() < end + PATIENCE) {
        int wait = 50;
        if (going && rate) {
            double t = now();
            while (due <= t && idle_count) {
                begin(idle[--idle_count], due);
                due += 1 / rate;
            }
            wait = idle_count ? (int)((due - t) * 1e3) : 50;
        }
        int ready = epoll_wait(poll_fd, events, 256, wait < 0 ? 0 : wait);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->fd < 0) continue;
            if (c->state == SENDING && (events[i].events & EPOLLOUT)) send_more(c);
            if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) take(c);
        }
        if (going && now() >= end) going = 0;
        if (!going) {
            under_way = 0;
            for (int i = 0; i < connections; i++) under_way += all[i].state == SENDING || all[i].state == READING;
        }
    }
    double elapsed = now() - start;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    long kept = done < MOST_TIMES ? done : MOST_TIMES;
    qsort(times, kept, sizeof *times, by_size);
    printf("{\"seconds\": %.6f, \"answered\": %ld, \"in_time\": %ld, \"failed\": %ld, \"refused\": %ld, "
           "\"wrong\": %ld, \"unanswered\": %d, \"p50\": %.4f, \"p99\": %.4f, \"longest\": %.4f, "
           "\"elapsed\": %.6f, \"cpu\": %.6f, \"number\": %llu}\n",
           seconds, done, in_time, failed, refused, wrong, under_way, share(0.5), share(0.99), share(1),
           elapsed, cpu, number);
    return 0;
}
