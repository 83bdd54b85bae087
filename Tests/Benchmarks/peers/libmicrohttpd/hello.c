/* libmicrohttpd with epoll and one thread of its own, answering from a prepared response. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *response;

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_length, void **state) {
    static int is_begun;
    (void)context, (void)method, (void)version, (void)body, (void)body_length;
    if (!*state) {
        *state = &is_begun;
        return MHD_YES;
    }
    int is_found = strcmp(url, "/plugin/hello-c/api/hello") == 0;
    return MHD_queue_response(connection, is_found ? 200 : 404, response);
}

int main(int count, char **arguments) {
    static char text[] = "{\"message\":\"Hello, World!\"}";
    if (count != 2) {
        fputs("usage: hello PORT\n", stderr);
        return 2;
    }
    response = MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(arguments[1]), NULL, NULL, handle, NULL,
        MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
    if (!daemon)
        return 1;
    pause();
    return 0;
}
