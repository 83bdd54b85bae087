#ifndef CTLS_H
#define CTLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The server's side of TLS 1.2 and 1.3 over a non-blocking socket, with OpenSSL. Results are as
// those of CLinux: a count, 0 for the end, or a negative errno.

// Certificates and how they are used; counted references, safe to use from any thread.
typedef struct ssl_ctx_st tls_context;
// One connection; used by one thread at a time, which may be another one each time.
typedef struct ssl_st tls_session;

enum { tls_reason_max = 256 };

// Reads `count` certificates (PEM, followed by their chain) and their keys. The first one is shown
// to clients that ask for no name, or for one that no certificate has. Null with the `reason`, and
// the number of the pair that is to blame in `culprit`.
tls_context *tls_context_create(
    const char *const *certificates, const char *const *keys, size_t count,
    char reason[tls_reason_max], size_t *culprit);
void tls_context_release(tls_context *context);

// A connection that has been accepted and has not said anything. The socket stays the caller's.
// Null when there is no memory.
tls_session *tls_session_create(tls_context *context, int fd);
void tls_session_release(tls_session *session);

enum {
    // Nothing more is to be had before the socket is readable again.
    tls_note_drained = 1,
    // Nothing more is to be had before the socket is writable again.
    tls_note_wants_writable = 2,
};
// Receives as much as there is, and shakes hands first. A client that speaks HTTP without TLS is
// told so. Adds to `notes`.
ssize_t tls_receive(tls_session *session, void *bytes, size_t count, int *notes);
// Sends until all is out or the socket takes no more. What did not go has to be offered again, with
// more behind it if there is more.
ssize_t tls_send(tls_session *session, const void *bytes, size_t count);
// Sends `first_count` bytes at `first + first_offset`, then `second_count` at `second`.
ssize_t tls_send_two(
    tls_session *session, const void *first, size_t first_offset, size_t first_count,
    const void *second, size_t second_count);
// Says that nothing more will be sent, if that can be said now.
void tls_finish(tls_session *session);

#endif
