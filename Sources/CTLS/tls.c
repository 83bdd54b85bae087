#include "CTLS.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// The socket under a session. OpenSSL's own would raise SIGPIPE, and not tell when it is empty.
struct link {
    int fd;
    // Whether anything has come, and whether that was no TLS but the beginning of a request.
    unsigned char has_begun;
    unsigned char is_plain;
    // Whether the last read took all that there was, and whether it was the last one.
    unsigned char is_empty;
    unsigned char has_ended;
};

static BIO_METHOD *link_method;
static int certificates_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int link_read(BIO *bio, char *bytes, int count) {
    struct link *link = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (link->is_plain) return -1;
    ssize_t result;
    do result = recv(link->fd, bytes, (size_t)count, 0);
    while (result < 0 && errno == EINTR);
    link->is_empty = result < count;
    if (result < 0) {
        if (errno == EAGAIN) BIO_set_retry_read(bio);
        return -1;
    }
    if (result == 0) link->has_ended = 1;
    if (result > 0 && !link->has_begun) {
        link->has_begun = 1;
        // A handshake begins with 22, a request with the letters of its method.
        if (bytes[0] >= 'A' && bytes[0] <= 'Z') {
            link->is_plain = 1;
            return -1;
        }
    }
    return (int)result;
}

static int link_write(BIO *bio, const char *bytes, int count) {
    struct link *link = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t result;
    do result = send(link->fd, bytes, (size_t)count, MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    if (result < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    return (int)result;
}

static long link_control(BIO *bio, int command, long number, void *pointer) {
    (void)number, (void)pointer;
    struct link *link = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF) return link->has_ended;
    return command == BIO_CTRL_FLUSH;
}

static int link_destroy(BIO *bio) {
    free(BIO_get_data(bio));
    BIO_set_data(bio, NULL);
    return 1;
}

// The certificates beside a context's own, by name.
struct certificates {
    size_t count;
    SSL_CTX *each[];
};

static void release_certificates(
    void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *argument) {
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    struct certificates *certificates = pointer;
    if (certificates == NULL) return;
    for (size_t i = 0; i < certificates->count; i++) SSL_CTX_free(certificates->each[i]);
    free(certificates);
}

static void prepare(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "link");
    certificates_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, release_certificates);
    if (method == NULL || certificates_index < 0) return;
    BIO_meth_set_read(method, link_read);
    BIO_meth_set_write(method, link_write);
    BIO_meth_set_ctrl(method, link_control);
    BIO_meth_set_destroy(method, link_destroy);
    link_method = method;
}

static int has_name(SSL_CTX *context, const char *name) {
    X509 *certificate = SSL_CTX_get0_certificate(context);
    return certificate != NULL && X509_check_host(certificate, name, 0, 0, NULL) == 1;
}

// Chooses the certificate by the name that the client asks for.
static int choose_certificate(SSL *session, int *alert, void *argument) {
    (void)alert;
    struct certificates *certificates = argument;
    const char *name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    if (name == NULL) return SSL_TLSEXT_ERR_NOACK;
    if (has_name(SSL_get_SSL_CTX(session), name)) return SSL_TLSEXT_ERR_OK;
    for (size_t i = 0; i < certificates->count; i++) {
        if (!has_name(certificates->each[i], name)) continue;
        SSL_set_SSL_CTX(session, certificates->each[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

// A client that offers protocols and not HTTP/1.1 among them is refused (RFC 7301, section 3.2).
static int choose_protocol(
    SSL *session, const unsigned char **chosen, unsigned char *chosen_length,
    const unsigned char *offered, unsigned offered_length, void *argument) {
    (void)session, (void)argument;
    static const unsigned char known[] = "\x08http/1.1";
    unsigned char *found = NULL;
    if (SSL_select_next_proto(
            &found, chosen_length, known, sizeof known - 1, offered, offered_length)
        != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

// A key with a password is refused; OpenSSL would ask for it on the terminal.
static int no_password(char *buffer, int size, int is_writing, void *argument) {
    (void)buffer, (void)size, (void)is_writing, (void)argument;
    return -1;
}

static void tell(char reason[tls_reason_max], const char *act, const char *path) {
    unsigned long error = ERR_peek_error();
    const char *why = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                              : ERR_reason_error_string(error);
    snprintf(reason, tls_reason_max, "%s %s: %s", act, path, why ? why : "unknown reason");
    ERR_clear_error();
}

static SSL_CTX *create_one(const char *certificate, const char *key, char reason[tls_reason_max]) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        tell(reason, "there is no memory for", certificate);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // Forward secrecy and authenticated encryption, as TLS 1.3 has nothing else.
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL");
    SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE
                     | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION
                     | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(
        context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                     | SSL_MODE_RELEASE_BUFFERS);
    // One read for a record and its header. Sessions are resumed by tickets alone.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"plugin-host", 11);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        tell(reason, "the certificate cannot be read from", certificate);
    else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        tell(reason, "the key cannot be read from", key);
    else if (SSL_CTX_check_private_key(context) != 1)
        tell(reason, "the certificate does not belong to the key in", key);
    else
        return context;
    SSL_CTX_free(context);
    return NULL;
}

tls_context *tls_context_create(
    const char *const *certificates, const char *const *keys, size_t count,
    char reason[tls_reason_max], size_t *culprit) {
    pthread_once(&once, prepare);
    *culprit = 0;
    struct certificates *others =
        count == 0 ? NULL : calloc(1, sizeof *others + (count - 1) * sizeof others->each[0]);
    if (others == NULL || link_method == NULL) {
        snprintf(reason, tls_reason_max, "there is no certificate, or no memory");
        free(others);
        return NULL;
    }
    SSL_CTX *first = create_one(certificates[0], keys[0], reason);
    if (first == NULL || SSL_CTX_set_ex_data(first, certificates_index, others) != 1) {
        if (first != NULL) tell(reason, "there is no memory for", certificates[0]);
        SSL_CTX_free(first);
        free(others);
        return NULL;
    }
    for (size_t i = 1; i < count; i++) {
        SSL_CTX *other = create_one(certificates[i], keys[i], reason);
        if (other == NULL) {
            *culprit = i;
            SSL_CTX_free(first);
            return NULL;
        }
        others->each[others->count++] = other;
    }
    SSL_CTX_set_tlsext_servername_callback(first, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(first, others);
    return first;
}

void tls_context_release(tls_context *context) { SSL_CTX_free(context); }

tls_session *tls_session_create(tls_context *context, int fd) {
    struct link *link = calloc(1, sizeof *link);
    BIO *bio = link == NULL ? NULL : BIO_new(link_method);
    SSL *session = bio == NULL ? NULL : SSL_new(context);
    if (session == NULL) {
        if (bio != NULL) BIO_free(bio);
        free(link);
        ERR_clear_error();
        return NULL;
    }
    link->fd = fd;
    BIO_set_data(bio, link);
    BIO_set_init(bio, 1);
    SSL_set_bio(session, bio, bio);
    SSL_set_accept_state(session);
    return session;
}

void tls_session_release(tls_session *session) { SSL_free(session); }

static ssize_t refuse_plain(struct link *link) {
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 47\r\n"
        "Connection: close\r\n\r\n"
        "This port takes HTTPS: write https:// in front\n";
    send(link->fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    // What is left unread would make the kernel take the answer back.
    char rest[16 << 10];
    while (recv(link->fd, rest, sizeof rest, 0) == sizeof rest) {
    }
    shutdown(link->fd, SHUT_WR);
    return -EPROTO;
}

ssize_t tls_receive(tls_session *session, void *bytes, size_t count, int *notes) {
    struct link *link = BIO_get_data(SSL_get_rbio(session));
    size_t total = 0;
    ERR_clear_error();
    while (total < count) {
        size_t more = 0;
        if (SSL_read_ex(session, (char *)bytes + total, count - total, &more) == 1) {
            total += more;
            if (total < count && link->is_empty && !SSL_has_pending(session)) {
                *notes |= tls_note_drained;
                break;
            }
            continue;
        }
        switch (SSL_get_error(session, 0)) {
        case SSL_ERROR_WANT_READ:
            *notes |= tls_note_drained;
            return total > 0 ? (ssize_t)total : -EAGAIN;
        case SSL_ERROR_WANT_WRITE:
            *notes |= tls_note_wants_writable;
            return total > 0 ? (ssize_t)total : -EAGAIN;
        case SSL_ERROR_ZERO_RETURN: return (ssize_t)total;
        default:
            ERR_clear_error();
            if (total > 0) return (ssize_t)total;
            return link->is_plain ? refuse_plain(link) : -EPROTO;
        }
    }
    return (ssize_t)total;
}

ssize_t tls_send(tls_session *session, const void *bytes, size_t count) {
    size_t total = 0;
    ERR_clear_error();
    while (total < count) {
        size_t more = 0;
        if (SSL_write_ex(session, (const char *)bytes + total, count - total, &more) == 1) {
            total += more;
            continue;
        }
        int error = SSL_get_error(session, 0);
        ERR_clear_error();
        if (total > 0) break;
        return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? -EAGAIN : -EPIPE;
    }
    return (ssize_t)total;
}

ssize_t tls_send_two(
    tls_session *session, const void *first, size_t first_offset, size_t first_count,
    const void *second, size_t second_count) {
    ssize_t sent = 0;
    if (first_count > 0) {
        sent = tls_send(session, (const char *)first + first_offset, first_count);
        if (sent < 0 || (size_t)sent < first_count) return sent;
    }
    ssize_t more = tls_send(session, second, second_count);
    if (more >= 0) return sent + more;
    return sent > 0 ? sent : more;
}

void tls_finish(tls_session *session) {
    ERR_clear_error();
    if (!SSL_in_init(session)) SSL_shutdown(session);
    ERR_clear_error();
}
