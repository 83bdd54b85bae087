/*
 * CPluginKit.h: what the image of a Swift plugin needs and Swift cannot say: the way to its main,
 * a function that runs when it is closed, and a few calls of the C library.
 */
#ifndef CPLUGINKIT_H
#define CPLUGINKIT_H

#include <pluginhost/plugin.h>
#include <stddef.h>
#include <stdint.h>

/* Calls the main function of this image, which @main has made. It is looked for in this image only:
 * linking a plugin without @main fails, instead of finding the main of the host. */
void ph_kit_call_main(void);

/* How much of ph_http a host of any ABI 1 has, in bytes. */
static inline long ph_kit_http_bytes_least(void) { return offsetof(ph_http, request_trailers); }

/* Names the function that runs when the image is closed, after every other call into it. */
void ph_kit_call_at_close(void (*_Nonnull function)(void));

/* Lets another thread have the processor. */
void ph_kit_yield(void);

/* Names the calling thread; `name` has at most 15 bytes and a NUL. */
void ph_kit_name_thread(const char *_Nonnull name);

/* Makes an event descriptor that does not block; -1: there is none left. */
int ph_kit_event_descriptor(void);

/* Makes a timer descriptor that does not block; `boot` is 1 for the clock that goes on while the
 * machine sleeps. -1: there is none left. */
int ph_kit_timer_descriptor(int boot);

/* Sets a timer to a moment of its clock in nanoseconds; 0 stops it. */
void ph_kit_set_timer(int descriptor, uint64_t nanoseconds);

/* Reads a decimal number that ends in a NUL, the nearest there is; infinite when it is too
 * large. */
double ph_kit_read_number(const char *_Nonnull text);

#endif
