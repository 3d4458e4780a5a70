/* SM2Signature ::= SEQUENCE { r INTEGER, s INTEGER } in strict DER (GM/T 0009, 7.3). Public data. */
#include "gm.h"

static uint8_t *put_integer(uint8_t *out, const uint8_t value[32])
{
    int skip = 0;
    while (skip < 31 && !value[skip])
        skip++;
    int pad = value[skip] >> 7;
    *out++ = 2;
    *out++ = (uint8_t)(32 - skip + pad);
    if (pad)
        *out++ = 0;
    memcpy(out, value + skip, (size_t)(32 - skip));
    return out + 32 - skip;
}

size_t gm_signature_encode(uint8_t *out, const uint8_t r[32], const uint8_t s[32])
{
    uint8_t *end = put_integer(put_integer(out + 2, r), s);
    out[0] = 0x30;
    out[1] = (uint8_t)(end - out - 2);
    return (size_t)(end - out);
}

static const uint8_t *get_integer(uint8_t value[32], const uint8_t *p, const uint8_t *end)
{
    if (end - p < 3 || p[0] != 2)
        return NULL;
    int size = p[1];
    p += 2;
    if (size < 1 || size > 33 || end - p < size)
        return NULL;
    if (p[0] & 0x80 || (size > 1 && !p[0] && !(p[1] & 0x80)) || (size == 33 && p[0]))
        return NULL;
    if (size == 33) {
        p++;
        size = 32;
    }
    memset(value, 0, 32);
    memcpy(value + 32 - size, p, (size_t)size);
    return p + size;
}

int gm_signature_decode(uint8_t r[32], uint8_t s[32], const uint8_t *der, size_t size)
{
    if (size < 8 || size > GM_DER_MAX || der[0] != 0x30 || der[1] != size - 2)
        return 0;
    const uint8_t *end = der + size, *p = get_integer(r, der + 2, end);
    return p && get_integer(s, p, end) == end;
}
