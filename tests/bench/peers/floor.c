/*
 * The floor: what receiving costs when nothing is understood.
 *
 * floor PORT FOLDER MODE
 *
 * MODE "keep" appends each body to a preallocated file, syncs once for all that are complete and then answers;
 * "discard" only answers.  Knows Content-Length and nothing else of HTTP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 524288
#define FILE_SIZE (256l << 20)

struct connection {
    int fd, closes;
    size_t got, wanted;
    char data[ROOM];
};

static int poll_fd, file = -1;
static off_t place;
static struct connection *whole[4096];
static int whole_count;

static const char KEEP[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char CLOSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static void hang_up(struct connection *c) {
    close(c->fd);
    free(c);
}

static void take(struct connection *c) {
    for (;;) {
        ssize_t got = recv(c->fd, c->data + c->got, ROOM - 1 - c->got, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) { hang_up(c); return; }
        c->got += got;
        if (!c->wanted) {
            c->data[c->got] = 0;
            char *end = strstr(c->data, "\r\n\r\n");
            if (!end) continue;
            char *length = strcasestr(c->data, "\r\ncontent-length:");
            c->closes = strcasestr(c->data, "\r\nconnection: close") != NULL;
            c->wanted = end + 4 - c->data + (length && length < end ? atol(length + 17) : 0);
        }
        if (c->got >= c->wanted) {
            whole[whole_count++] = c;
            return;
        }
    }
}

static void answer(void) {
    if (file >= 0 && whole_count) {
        for (int i = 0; i < whole_count; i++) {
            size_t size = (whole[i]->wanted + 4095) & ~4095ul;
            if (place + (off_t)size > FILE_SIZE) place = 0;
            if (pwrite(file, whole[i]->data, whole[i]->wanted, place) < 0) exit(1);
            place += size;
        }
        if (fdatasync(file)) exit(1);
    }
    for (int i = 0; i < whole_count; i++) {
        struct connection *c = whole[i];
        c->got = c->wanted = 0;
        if (c->closes) {
            send(c->fd, CLOSE, sizeof CLOSE - 1, MSG_NOSIGNAL);
            hang_up(c);
        } else {
            send(c->fd, KEEP, sizeof KEEP - 1, MSG_NOSIGNAL);
        }
    }
    whole_count = 0;
}

int main(int count, char **words) {
    if (count != 4) return 2;
    int one = 1, port = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {AF_INET, htons(atoi(words[1])), {htonl(INADDR_LOOPBACK)}, {0}};
    setsockopt(port, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(port, (struct sockaddr *)&address, sizeof address) || listen(port, 1024)) return 1;
    if (!strcmp(words[3], "keep")) {
        char path[4096];
        snprintf(path, sizeof path, "%s/floor", words[2]);
        file = open(path, O_RDWR | O_CREAT, 0600);
        if (file < 0 || posix_fallocate(file, 0, FILE_SIZE)) return 1;
        static char zeros[1 << 20];
        for (off_t at = 0; at < FILE_SIZE; at += sizeof zeros)
            if (pwrite(file, zeros, sizeof zeros, at) < 0) return 1;
        fsync(file);
    }
    poll_fd = epoll_create1(0);
    struct epoll_event e = {EPOLLIN, {.ptr = NULL}}, events[256];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, port, &e);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) {
                take(events[i].data.ptr);
                continue;
            }
            int fd;
            while ((fd = accept4(port, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                struct connection *c = malloc(sizeof *c);
                c->fd = fd;
                c->got = c->wanted = 0;
                struct epoll_event each = {EPOLLIN, {.ptr = c}};
                epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &each);
            }
        }
        answer();
    }
}
