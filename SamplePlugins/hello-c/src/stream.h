#ifndef HELLO_STREAM_H
#define HELLO_STREAM_H

#include <pluginhost/plugin.h>

/* Responses that are sent line by line, one line each 100 ms, by one thread. */
typedef struct streams streams;

enum { STREAMS_MAX = 64, STREAM_LINES_MAX = 600 };

/* Null: there is no memory. */
streams *streams_new(const ph_host *host);
/* Frees what streams_new made. Its thread must have been stopped. */
void streams_free(streams *all);

/* Starts the thread. 0, or an errno. */
int streams_start(streams *all);
/* Cuts the responses that are not complete yet, and ends the thread. */
void streams_stop(streams *all);

/* Begins the response, and leaves the rest of it to the thread. PH_LIMIT: all
 * STREAMS_MAX places are taken; the response is still owed. */
ph_status streams_add(streams *all, ph_response *response, uint32_t lines);

/* How many responses are being sent. */
uint32_t streams_count(streams *all);

#endif
