/* 7.6: random numbers, symmetric keys, digests, MACs */
#include "channel.h"

#include <string.h>

ULONG DEVAPI SKF_GenRandom(DEVHANDLE hDev, BYTE *pbRandom, ULONG ulRandomLen) {
    struct call call;
    if (pbRandom == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_GEN_RANDOM);
    call_number(&call, ulRandomLen);
    if (call_send(&call) == SAR_OK) {
        const uint8_t *drawn = reader_exactly(&call.reader, ulRandomLen);
        if (drawn != NULL) memcpy(pbRandom, drawn, ulRandomLen);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_SetSymmKey(DEVHANDLE hDev, BYTE *pbKey, ULONG ulAlgID, HANDLE *phKey) {
    struct call call;
    if (pbKey == NULL || phKey == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_SET_SYMM_KEY);
    call_octets(&call, pbKey, BLOCK_LEN);
    call_number(&call, ulAlgID);
    call_send(&call);
    call_give_handle(&call, KIND_KEY, phKey);
    return call_end(&call);
}

/* --- enciphering ------------------------------------------------------------------------------------------------- */

static ULONG cipher_init(HANDLE key, int encrypt, const BLOCKCIPHERPARAM *param) {
    struct call call;
    if (param->IVLen > MAX_IV_LEN) return SAR_INVALIDPARAMERR;
    call_begin(&call, key, KIND_KEY, FN_CIPHER_INIT);
    call_number(&call, (uint32_t)encrypt);
    call_octets(&call, param->IV, param->IVLen);
    call_number(&call, param->PaddingType);
    call_number(&call, param->FeedBitLen);
    call_send(&call);
    return call_end(&call);
}

static ULONG cipher(enum function function, HANDLE key, int encrypt, const BYTE *in, ULONG size, BYTE *out,
                    ULONG *room) {
    struct call call;
    if (room == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, key, KIND_KEY, function);
    call_number(&call, (uint32_t)encrypt);
    call_octets(&call, in, size);
    call_number(&call, out == NULL ? 0 : *room);
    call_number(&call, out == NULL);
    ULONG code = call_send(&call);
    if (code == SAR_OK || (code == SAR_BUFFER_TOO_SMALL && reader_more(&call.reader))) {
        ULONG length = reader_number(&call.reader);
        if (code == SAR_OK && out != NULL) {
            const uint8_t *octets = length <= *room ? reader_exactly(&call.reader, length) : NULL;
            if (octets == NULL)
                call.reader.malformed = 1;
            else
                memcpy(out, octets, length);
        }
        *room = length;
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_EncryptInit(HANDLE hKey, BLOCKCIPHERPARAM EncryptParam) { return cipher_init(hKey, 1, &EncryptParam); }

ULONG DEVAPI SKF_Encrypt(HANDLE hKey, BYTE *pbData, ULONG ulDataLen, BYTE *pbEncryptedData, ULONG *pulEncryptedLen) {
    return cipher(FN_CIPHER_FINAL, hKey, 1, pbData, ulDataLen, pbEncryptedData, pulEncryptedLen);
}

ULONG DEVAPI SKF_EncryptUpdate(HANDLE hKey, BYTE *pbData, ULONG ulDataLen, BYTE *pbEncryptedData,
                               ULONG *pulEncryptedLen) {
    return cipher(FN_CIPHER_UPDATE, hKey, 1, pbData, ulDataLen, pbEncryptedData, pulEncryptedLen);
}

ULONG DEVAPI SKF_EncryptFinal(HANDLE hKey, BYTE *pbEncryptedData, ULONG *pulEncryptedDataLen) {
    return cipher(FN_CIPHER_FINAL, hKey, 1, NULL, 0, pbEncryptedData, pulEncryptedDataLen);
}

ULONG DEVAPI SKF_DecryptInit(HANDLE hKey, BLOCKCIPHERPARAM DecryptParam) { return cipher_init(hKey, 0, &DecryptParam); }

ULONG DEVAPI SKF_Decrypt(HANDLE hKey, BYTE *pbEncryptedData, ULONG ulEncryptedLen, BYTE *pbData, ULONG *pulDataLen) {
    return cipher(FN_CIPHER_FINAL, hKey, 0, pbEncryptedData, ulEncryptedLen, pbData, pulDataLen);
}

ULONG DEVAPI SKF_DecryptUpdate(HANDLE hKey, BYTE *pbEncryptedData, ULONG ulEncryptedLen, BYTE *pbData,
                               ULONG *pulDataLen) {
    return cipher(FN_CIPHER_UPDATE, hKey, 0, pbEncryptedData, ulEncryptedLen, pbData, pulDataLen);
}

ULONG DEVAPI SKF_DecryptFinal(HANDLE hKey, BYTE *pbDecryptedData, ULONG *pulDecryptedDataLen) {
    return cipher(FN_CIPHER_FINAL, hKey, 0, NULL, 0, pbDecryptedData, pulDecryptedDataLen);
}

/* --- digests and MACs: the size of what comes out is known before ------------------------------------------------ */

static ULONG update(enum function function, HANDLE handle, int kind, const BYTE *data, ULONG size) {
    struct call call;
    call_begin(&call, handle, kind, function);
    call_octets(&call, data, size);
    call_send(&call);
    return call_end(&call);
}

static ULONG finish(enum function function, HANDLE handle, int kind, const BYTE *data, ULONG size, BYTE *out,
                    ULONG *room, size_t length) {
    struct call call;
    static const BYTE nothing[DIGEST_LEN];
    if (room == NULL) return SAR_INVALIDPARAMERR;
    if (out == NULL || *room < length) return give(nothing, length, out, room);
    call_begin(&call, handle, kind, function);
    call_octets(&call, data, size);
    call_send(&call);
    call_give_octets(&call, out, room);
    return call_end(&call);
}

ULONG DEVAPI SKF_DigestInit(DEVHANDLE hDev, ULONG ulAlgID, ECCPUBLICKEYBLOB *pPubKey, BYTE *pbID, ULONG ulIDLen,
                            HANDLE *phHash) {
    struct call call;
    if (phHash == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_DIGEST_INIT);
    call_number(&call, ulAlgID);
    if (pPubKey == NULL)
        call_octets(&call, NULL, 0);
    else
        call_point(&call, pPubKey);
    call_octets(&call, pbID, ulIDLen);
    call_send(&call);
    call_give_handle(&call, KIND_HASH, phHash);
    return call_end(&call);
}

ULONG DEVAPI SKF_Digest(HANDLE hHash, BYTE *pbData, ULONG ulDataLen, BYTE *pbHashData, ULONG *pulHashLen) {
    return finish(FN_DIGEST_FINAL, hHash, KIND_HASH, pbData, ulDataLen, pbHashData, pulHashLen, DIGEST_LEN);
}

ULONG DEVAPI SKF_DigestUpdate(HANDLE hHash, BYTE *pbData, ULONG ulDataLen) {
    return update(FN_DIGEST_UPDATE, hHash, KIND_HASH, pbData, ulDataLen);
}

ULONG DEVAPI SKF_DigestFinal(HANDLE hHash, BYTE *pHashData, ULONG *pulHashLen) {
    return finish(FN_DIGEST_FINAL, hHash, KIND_HASH, NULL, 0, pHashData, pulHashLen, DIGEST_LEN);
}

ULONG DEVAPI SKF_MacInit(HANDLE hKey, BLOCKCIPHERPARAM *pMacParam, HANDLE *phMac) {
    struct call call;
    if (pMacParam == NULL || phMac == NULL || pMacParam->IVLen > MAX_IV_LEN) return SAR_INVALIDPARAMERR;
    call_begin(&call, hKey, KIND_KEY, FN_MAC_INIT);
    call_octets(&call, pMacParam->IV, pMacParam->IVLen);
    call_number(&call, pMacParam->PaddingType);
    call_send(&call);
    call_give_handle(&call, KIND_MAC, phMac);
    return call_end(&call);
}

ULONG DEVAPI SKF_Mac(HANDLE hMac, BYTE *pbData, ULONG ulDataLen, BYTE *pbMacData, ULONG *pulMacLen) {
    return finish(FN_MAC_FINAL, hMac, KIND_MAC, pbData, ulDataLen, pbMacData, pulMacLen, BLOCK_LEN);
}

ULONG DEVAPI SKF_MacUpdate(HANDLE hMac, BYTE *pbData, ULONG ulDataLen) {
    return update(FN_MAC_UPDATE, hMac, KIND_MAC, pbData, ulDataLen);
}

ULONG DEVAPI SKF_MacFinal(HANDLE hMac, BYTE *pbMacData, ULONG *pulMacDataLen) {
    return finish(FN_MAC_FINAL, hMac, KIND_MAC, NULL, 0, pbMacData, pulMacDataLen, BLOCK_LEN);
}
