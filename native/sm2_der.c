/* Strict DER of GM/T 0009, and the raw forms of ciphertexts. Public data.
 *
 * SM2Signature ::= SEQUENCE { r INTEGER, s INTEGER }
 * SM2Cipher ::= SEQUENCE { x INTEGER, y INTEGER, hash OCTET STRING, cipher OCTET STRING } */
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

static uint8_t *put_header(uint8_t *out, uint8_t tag, size_t size)
{
    *out++ = tag;
    if (size < 128) {
        *out++ = (uint8_t)size;
        return out;
    }
    int octets = 1;
    while (octets < 8 && size >> 8 * octets)
        octets++;
    *out++ = (uint8_t)(0x80 | octets);
    while (octets--)
        *out++ = (uint8_t)(size >> 8 * octets);
    return out;
}

static size_t header_size(size_t size)
{
    uint8_t header[10];
    return (size_t)(put_header(header, 0, size) - header);
}

static size_t body_size(const struct gm_ciphertext *c, size_t size)
{
    uint8_t integers[70];
    uint8_t *end = put_integer(put_integer(integers, c->c1 + 1), c->c1 + 33);
    return (size_t)(end - integers) + 34 + header_size(size) + size;
}

size_t gm_ciphertext_size(const struct gm_ciphertext *c, size_t size, enum gm_encoding encoding)
{
    if (encoding != GM_ASN1)
        return 97 + size;
    size_t body = body_size(c, size);
    return header_size(body) + body;
}

void gm_ciphertext_encode(uint8_t *out, const struct gm_ciphertext *c, struct gm_bytes c2, enum gm_encoding encoding)
{
    if (encoding == GM_ASN1) {
        out = put_header(out, 0x30, body_size(c, c2.size));
        out = put_integer(put_integer(out, c->c1 + 1), c->c1 + 33);
        out = put_header(out, 4, 32);
        memcpy(out, c->c3, 32);
        memcpy(put_header(out + 32, 4, c2.size), c2.data, c2.size);
        return;
    }
    memcpy(out, c->c1, 65);
    memcpy(out + (encoding == GM_C1C3C2 ? 65 : 65 + c2.size), c->c3, 32);
    memcpy(out + (encoding == GM_C1C3C2 ? 97 : 65), c2.data, c2.size);
}

/* The body of the element with this tag; *p moves behind it. 0 when there is none or its length is not minimal. */
static int get_element(struct gm_bytes *body, const uint8_t **p, const uint8_t *end, uint8_t tag)
{
    if (end - *p < 2 || (*p)[0] != tag)
        return 0;
    size_t size = (*p)[1];
    *p += 2;
    if (size & 0x80) {
        size_t octets = size & 0x7f;
        if (octets < 1 || octets > 4 || (size_t)(end - *p) < octets || !**p)
            return 0;
        for (size = 0; octets; octets--)
            size = size << 8 | *(*p)++;
        if (size < 128)
            return 0;
    }
    if ((size_t)(end - *p) < size)
        return 0;
    *body = (struct gm_bytes){*p, size};
    *p += size;
    return 1;
}

static int decode_raw(struct gm_ciphertext *c, struct gm_bytes *c2, struct gm_bytes data, enum gm_encoding encoding)
{
    affine point;
    uint8_t with[65] = {4};
    /* A first octet 04 is the prefix, unless x begins with it: only the equation of the curve tells. */
    if (data.size >= 65 && data.data[0] == 4) {
        memcpy(with + 1, data.data, 64);
        if (gm_point_decode(&point, data.data) || !gm_point_decode(&point, with)) {
            data.data++;
            data.size--;
        }
    }
    if (data.size < 97)
        return 0;
    c->c1[0] = 4;
    memcpy(c->c1 + 1, data.data, 64);
    size_t size = data.size - 96;
    memcpy(c->c3, data.data + (encoding == GM_C1C3C2 ? 64 : 64 + size), 32);
    *c2 = (struct gm_bytes){data.data + (encoding == GM_C1C3C2 ? 96 : 64), size};
    return 1;
}

int gm_ciphertext_decode(struct gm_ciphertext *c, struct gm_bytes *c2, struct gm_bytes data, enum gm_encoding encoding)
{
    if (encoding != GM_ASN1)
        return decode_raw(c, c2, data, encoding);
    const uint8_t *p = data.data, *end = data.data + data.size;
    struct gm_bytes body, hash;
    if (!get_element(&body, &p, end, 0x30) || p != end)
        return 0;
    p = body.data;
    c->c1[0] = 4;
    if (!(p = get_integer(c->c1 + 1, p, end)) || !(p = get_integer(c->c1 + 33, p, end)) ||
        !get_element(&hash, &p, end, 4) || hash.size != 32 || !get_element(c2, &p, end, 4) || p != end)
        return 0;
    memcpy(c->c3, hash.data, 32);
    return c2->size != 0;
}
