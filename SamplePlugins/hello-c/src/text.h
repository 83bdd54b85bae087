#ifndef HELLO_TEXT_H
#define HELLO_TEXT_H

#include <pluginhost/plugin.h>

#include <string.h>

/* A text that is written into a buffer of fixed size. What does not fit sets
 * `is_cut` and is left out. */
typedef struct writer {
    char *data;
    size_t capacity;
    size_t length;
    int is_cut;
} writer;

static inline void put(writer *to, const char *data, size_t length) {
    if (length > to->capacity - to->length) {
        to->is_cut = 1;
        return;
    }
    if (length)
        memcpy(to->data + to->length, data, length);
    to->length += length;
}

#define PUT(to, literal) put((to), "" literal, sizeof(literal) - 1)

/* Writes UTF-8 as the inside of a JSON string. */
static inline void put_json(writer *to, ph_text text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\') {
            const char escaped[2] = { '\\', (char)byte };
            put(to, escaped, 2);
        } else if (byte < 0x20) {
            const char escaped[6] = { '\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15] };
            put(to, escaped, 6);
        } else {
            put(to, text.data + i, 1);
        }
    }
}

/* The number that a query such as "lines=20&x=1" gives to `name`, or `otherwise`
 * if there is none, or it is not a number from 1 to `max`. */
static inline uint32_t query_number(ph_text query, const char *name, uint32_t max,
                                    uint32_t otherwise) {
    size_t name_length = strlen(name);
    size_t at = 0;
    while (at < query.length) {
        size_t end = at;
        while (end < query.length && query.data[end] != '&')
            end++;
        if (end - at > name_length + 1 && memcmp(query.data + at, name, name_length) == 0
            && query.data[at + name_length] == '=') {
            uint64_t value = 0;
            for (size_t i = at + name_length + 1; i < end; i++) {
                if (query.data[i] < '0' || query.data[i] > '9' || value > max)
                    return otherwise;
                value = value * 10 + (uint64_t)(query.data[i] - '0');
            }
            return value >= 1 && value <= max ? (uint32_t)value : otherwise;
        }
        at = end + 1;
    }
    return otherwise;
}

#endif
