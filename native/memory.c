/* Wiping and comparing. */
#include "gm.h"

void gm_wipe(void *data, size_t size)
{
    memset(data, 0, size);
    /* The compiler must assume that the bytes are read here, so it cannot drop the memset. */
    __asm__ __volatile__("" : : "r"(data) : "memory");
}

int gm_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}
