/* 7.5 containers, and what of 7.6 works with SM2 */
#include "channel.h"

#include <stdlib.h>
#include <string.h>

#define ECC_BITS 256
#define SLOT (ECC_MAX_XCOORDINATE_BITS_LEN / 8) /* of a coordinate, which stands at its right */
#define CIPHER_HEAD (POINT_LEN + DIGEST_LEN)

/* --- blobs ------------------------------------------------------------------------------------------------------- */

static void put_coordinate(BYTE slot[SLOT], const uint8_t *value) {
    memset(slot, 0, SLOT - COORDINATE_LEN);
    memcpy(slot + SLOT - COORDINATE_LEN, value, COORDINATE_LEN);
}

static void get_coordinate(uint8_t *value, const BYTE slot[SLOT]) {
    memcpy(value, slot + SLOT - COORDINATE_LEN, COORDINATE_LEN);
}

void call_point(struct call *call, const ECCPUBLICKEYBLOB *blob) {
    uint8_t point[POINT_LEN];
    if (blob == NULL || blob->BitLen != ECC_BITS) {
        if (call->code == SAR_OK) call->code = blob == NULL ? SAR_INVALIDPARAMERR : SAR_MODULUSLENERR;
        return;
    }
    get_coordinate(point, blob->XCoordinate);
    get_coordinate(point + COORDINATE_LEN, blob->YCoordinate);
    call_octets(call, point, sizeof point);
}

static void call_give_point(struct call *call, ECCPUBLICKEYBLOB *blob) {
    if (call->code != SAR_OK) return;
    const uint8_t *point = reader_exactly(&call->reader, POINT_LEN);
    if (point == NULL || blob == NULL) return;
    memset(blob, 0, sizeof *blob);
    blob->BitLen = ECC_BITS;
    put_coordinate(blob->XCoordinate, point);
    put_coordinate(blob->YCoordinate, point + COORDINATE_LEN);
}

static void call_signature(struct call *call, const ECCSIGNATUREBLOB *blob) {
    uint8_t signature[POINT_LEN];
    if (blob == NULL) {
        if (call->code == SAR_OK) call->code = SAR_INVALIDPARAMERR;
        return;
    }
    get_coordinate(signature, blob->r);
    get_coordinate(signature + COORDINATE_LEN, blob->s);
    call_octets(call, signature, sizeof signature);
}

static void call_give_signature(struct call *call, ECCSIGNATUREBLOB *blob) {
    if (call->code != SAR_OK) return;
    const uint8_t *signature = reader_exactly(&call->reader, POINT_LEN);
    if (signature == NULL) return;
    put_coordinate(blob->r, signature);
    put_coordinate(blob->s, signature + COORDINATE_LEN);
}

static void call_cipher(struct call *call, const ECCCIPHERBLOB *blob) {
    uint8_t *octets = blob == NULL || blob->CipherLen > (1u << 20) ? NULL : malloc(CIPHER_HEAD + blob->CipherLen);
    if (octets == NULL) {
        if (call->code == SAR_OK) call->code = blob == NULL ? SAR_INVALIDPARAMERR : SAR_INDATALENERR;
        return;
    }
    get_coordinate(octets, blob->XCoordinate);
    get_coordinate(octets + COORDINATE_LEN, blob->YCoordinate);
    memcpy(octets + POINT_LEN, blob->HASH, DIGEST_LEN);
    memcpy(octets + CIPHER_HEAD, blob->Cipher, blob->CipherLen);
    call_octets(call, octets, CIPHER_HEAD + blob->CipherLen);
    free(octets);
}

/* The caller's blob has room for as many octets as the plaintext: `most`. */
static void call_give_cipher(struct call *call, ECCCIPHERBLOB *blob, size_t most) {
    size_t size;
    if (call->code != SAR_OK) return;
    const uint8_t *octets = reader_octets(&call->reader, &size);
    if (octets == NULL || size < CIPHER_HEAD || size - CIPHER_HEAD > most) {
        call->reader.malformed = 1;
        return;
    }
    put_coordinate(blob->XCoordinate, octets);
    put_coordinate(blob->YCoordinate, octets + COORDINATE_LEN);
    memcpy(blob->HASH, octets + POINT_LEN, DIGEST_LEN);
    blob->CipherLen = (ULONG)(size - CIPHER_HEAD);
    memcpy(blob->Cipher, octets + CIPHER_HEAD, size - CIPHER_HEAD);
}

static void call_private(struct call *call, const ECCPRIVATEKEYBLOB *blob) {
    uint8_t key[COORDINATE_LEN];
    if (blob == NULL || blob->BitLen != ECC_BITS) {
        if (call->code == SAR_OK) call->code = blob == NULL ? SAR_INVALIDPARAMERR : SAR_MODULUSLENERR;
        return;
    }
    get_coordinate(key, blob->PrivateKey);
    call_octets(call, key, sizeof key);
    explicit_bzero(key, sizeof key);
}

/* --- containers -------------------------------------------------------------------------------------------------- */

ULONG DEVAPI SKF_CreateContainer(HAPPLICATION hApplication, LPSTR szContainerName, HCONTAINER *phContainer) {
    struct call call;
    if (phContainer == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_CREATE_CONTAINER);
    call_text(&call, szContainerName);
    call_send(&call);
    call_give_handle(&call, KIND_CONTAINER, phContainer);
    return call_end(&call);
}

ULONG DEVAPI SKF_DeleteContainer(HAPPLICATION hApplication, LPSTR szContainerName) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_DELETE_CONTAINER);
    call_text(&call, szContainerName);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_OpenContainer(HAPPLICATION hApplication, LPSTR szContainerName, HCONTAINER *phContainer) {
    struct call call;
    if (phContainer == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_OPEN_CONTAINER);
    call_text(&call, szContainerName);
    call_send(&call);
    call_give_handle(&call, KIND_CONTAINER, phContainer);
    return call_end(&call);
}

ULONG DEVAPI SKF_EnumContainer(HAPPLICATION hApplication, LPSTR szContainerName, ULONG *pulSize) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_ENUM_CONTAINER);
    call_send(&call);
    call_give_names(&call, szContainerName, pulSize);
    return call_end(&call);
}

ULONG DEVAPI SKF_GetContainerType(HCONTAINER hContainer, ULONG *pulContainerType) {
    struct call call;
    if (pulContainerType == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_GET_CONTAINER_TYPE);
    if (call_send(&call) == SAR_OK) *pulContainerType = reader_number(&call.reader);
    return call_end(&call);
}

ULONG DEVAPI SKF_ImportCertificate(HCONTAINER hContainer, BOOL bSignFlag, BYTE *pbCert, ULONG ulCertLen) {
    struct call call;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_IMPORT_CERTIFICATE);
    call_number(&call, bSignFlag != FALSE);
    call_octets(&call, pbCert, ulCertLen);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_ExportCertificate(HCONTAINER hContainer, BOOL bSignFlag, BYTE *pbCert, ULONG *pulCertLen) {
    struct call call;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_EXPORT_CERTIFICATE);
    call_number(&call, bSignFlag != FALSE);
    call_send(&call);
    call_give_octets(&call, pbCert, pulCertLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_ExportPublicKey(HCONTAINER hContainer, BOOL bSignFlag, BYTE *pbBlob, ULONG *pulBlobLen) {
    struct call call;
    ECCPUBLICKEYBLOB blob;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_EXPORT_PUBLIC_KEY);
    call_number(&call, bSignFlag != FALSE);
    call_send(&call);
    call_give_point(&call, &blob);
    ULONG code = call_end(&call);
    return code == SAR_OK ? give(&blob, sizeof blob, pbBlob, pulBlobLen) : code;
}

/* --- key pairs and signatures ------------------------------------------------------------------------------------ */

ULONG DEVAPI SKF_GenECCKeyPair(HCONTAINER hContainer, ULONG ulAlgId, ECCPUBLICKEYBLOB *pBlob) {
    struct call call;
    if (pBlob == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_GEN_ECC_KEY_PAIR);
    call_number(&call, ulAlgId);
    call_send(&call);
    call_give_point(&call, pBlob);
    return call_end(&call);
}

ULONG DEVAPI SKF_ImportECCKeyPair(HCONTAINER hContainer, ENVELOPEDKEYBLOB *pEnvelopedKeyBlob) {
    struct call call;
    if (pEnvelopedKeyBlob == NULL) return SAR_INVALIDPARAMERR;
    if (pEnvelopedKeyBlob->ulBits != ECC_BITS) return SAR_MODULUSLENERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_IMPORT_ECC_KEY_PAIR);
    call_number(&call, pEnvelopedKeyBlob->ulSymmAlgID);
    call_octets(&call, pEnvelopedKeyBlob->cbEncryptedPriKey, sizeof pEnvelopedKeyBlob->cbEncryptedPriKey);
    call_point(&call, &pEnvelopedKeyBlob->PubKey);
    call_cipher(&call, &pEnvelopedKeyBlob->ECCCipherBlob);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_ECCSignData(HCONTAINER hContainer, BYTE *pbDigest, ULONG ulDigestLen, ECCSIGNATUREBLOB *pSignature) {
    struct call call;
    if (pSignature == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_ECC_SIGN_DATA);
    call_octets(&call, pbDigest, ulDigestLen);
    call_send(&call);
    call_give_signature(&call, pSignature);
    return call_end(&call);
}

ULONG DEVAPI SKF_ECCVerify(DEVHANDLE hDev, ECCPUBLICKEYBLOB *pECCPubKeyBlob, BYTE *pbData, ULONG ulDataLen,
                           ECCSIGNATUREBLOB *pSignature) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_ECC_VERIFY);
    call_point(&call, pECCPubKeyBlob);
    call_octets(&call, pbData, ulDataLen);
    call_signature(&call, pSignature);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_ExtECCVerify(DEVHANDLE hDev, ECCPUBLICKEYBLOB *pECCPubKeyBlob, BYTE *pbData, ULONG ulDataLen,
                              ECCSIGNATUREBLOB *pSignature) {
    return SKF_ECCVerify(hDev, pECCPubKeyBlob, pbData, ulDataLen, pSignature);
}

ULONG DEVAPI SKF_ExtECCSign(DEVHANDLE hDev, ECCPRIVATEKEYBLOB *pECCPriKeyBlob, BYTE *pbData, ULONG ulDataLen,
                            ECCSIGNATUREBLOB *pSignature) {
    struct call call;
    if (pSignature == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_EXT_ECC_SIGN);
    call_private(&call, pECCPriKeyBlob);
    call_octets(&call, pbData, ulDataLen);
    call_send(&call);
    call_give_signature(&call, pSignature);
    return call_end(&call);
}

/* --- encryption -------------------------------------------------------------------------------------------------- */

ULONG DEVAPI SKF_ECCDecrypt(HCONTAINER hContainer, ECCCIPHERBLOB *pCipherBlob, BYTE *pbPlainText,
                            ULONG *pulPlainTextLen) {
    struct call call;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_ECC_DECRYPT);
    call_cipher(&call, pCipherBlob);
    call_send(&call);
    call_give_octets(&call, pbPlainText, pulPlainTextLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_ExtECCEncrypt(DEVHANDLE hDev, ECCPUBLICKEYBLOB *pECCPubKeyBlob, BYTE *pbPlainText,
                               ULONG ulPlainTextLen, ECCCIPHERBLOB *pCipherText) {
    struct call call;
    if (pCipherText == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_EXT_ECC_ENCRYPT);
    call_point(&call, pECCPubKeyBlob);
    call_octets(&call, pbPlainText, ulPlainTextLen);
    call_send(&call);
    call_give_cipher(&call, pCipherText, ulPlainTextLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_ExtECCDecrypt(DEVHANDLE hDev, ECCPRIVATEKEYBLOB *pECCPriKeyBlob, ECCCIPHERBLOB *pCipherText,
                               BYTE *pbPlainText, ULONG *pulPlainTextLen) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_EXT_ECC_DECRYPT);
    call_private(&call, pECCPriKeyBlob);
    call_cipher(&call, pCipherText);
    call_send(&call);
    call_give_octets(&call, pbPlainText, pulPlainTextLen);
    return call_end(&call);
}

/* --- session keys that travel under SM2 -------------------------------------------------------------------------- */

ULONG DEVAPI SKF_ECCExportSessionKey(HCONTAINER hContainer, ULONG ulAlgId, ECCPUBLICKEYBLOB *pPubKey,
                                     ECCCIPHERBLOB *pData, HANDLE *phSessionKey) {
    struct call call;
    if (pData == NULL || phSessionKey == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_ECC_EXPORT_SESSION_KEY);
    call_number(&call, ulAlgId);
    call_point(&call, pPubKey);
    call_send(&call);
    call_give_cipher(&call, pData, BLOCK_LEN);
    call_give_handle(&call, KIND_KEY, phSessionKey);
    return call_end(&call);
}

ULONG DEVAPI SKF_ImportSessionKey(HCONTAINER hContainer, ULONG ulAlgId, BYTE *pbWrapedData, ULONG ulWrapedLen,
                                  HANDLE *phKey) {
    struct call call;
    ECCCIPHERBLOB *blob = (ECCCIPHERBLOB *)pbWrapedData;
    const size_t head = sizeof *blob - sizeof blob->Cipher;
    if (blob == NULL || phKey == NULL) return SAR_INVALIDPARAMERR;
    if (ulWrapedLen < head || blob->CipherLen > ulWrapedLen - head) return SAR_INDATALENERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_IMPORT_SESSION_KEY);
    call_number(&call, ulAlgId);
    call_cipher(&call, blob);
    call_send(&call);
    call_give_handle(&call, KIND_KEY, phKey);
    return call_end(&call);
}

/* --- key agreement ----------------------------------------------------------------------------------------------- */

ULONG DEVAPI SKF_GenerateAgreementDataWithECC(HCONTAINER hContainer, ULONG ulAlgId,
                                              ECCPUBLICKEYBLOB *pTempECCPubKeyBlob, BYTE *pbID, ULONG ulIDLen,
                                              HANDLE *phAgreementHandle) {
    struct call call;
    if (pTempECCPubKeyBlob == NULL || phAgreementHandle == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_AGREEMENT_START);
    call_number(&call, ulAlgId);
    call_octets(&call, pbID, ulIDLen);
    call_send(&call);
    call_give_point(&call, pTempECCPubKeyBlob);
    call_give_handle(&call, KIND_AGREEMENT, phAgreementHandle);
    return call_end(&call);
}

ULONG DEVAPI SKF_GenerateAgreementDataAndKeyWithECC(HANDLE hContainer, ULONG ulAlgId,
                                                    ECCPUBLICKEYBLOB *pSponsorECCPubKeyBlob,
                                                    ECCPUBLICKEYBLOB *pSponsorTempECCPubKeyBlob,
                                                    ECCPUBLICKEYBLOB *pTempECCPubKeyBlob, BYTE *pbID, ULONG ulIDLen,
                                                    BYTE *pbSponsorID, ULONG ulSponsorIDLen, HANDLE *phKeyHandle) {
    struct call call;
    if (pTempECCPubKeyBlob == NULL || phKeyHandle == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hContainer, KIND_CONTAINER, FN_AGREEMENT_ANSWER);
    call_number(&call, ulAlgId);
    call_point(&call, pSponsorECCPubKeyBlob);
    call_point(&call, pSponsorTempECCPubKeyBlob);
    call_octets(&call, pbID, ulIDLen);
    call_octets(&call, pbSponsorID, ulSponsorIDLen);
    call_send(&call);
    call_give_point(&call, pTempECCPubKeyBlob);
    call_give_handle(&call, KIND_KEY, phKeyHandle);
    return call_end(&call);
}

ULONG DEVAPI SKF_GenerateKeyWithECC(HANDLE hAgreementHandle, ECCPUBLICKEYBLOB *pECCPubKeyBlob,
                                    ECCPUBLICKEYBLOB *pTempECCPubKeyBlob, BYTE *pbID, ULONG ulIDLen,
                                    HANDLE *phKeyHandle) {
    struct call call;
    if (phKeyHandle == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hAgreementHandle, KIND_AGREEMENT, FN_AGREEMENT_FINISH);
    call_point(&call, pECCPubKeyBlob);
    call_point(&call, pTempECCPubKeyBlob);
    call_octets(&call, pbID, ulIDLen);
    call_send(&call);
    call_give_handle(&call, KIND_KEY, phKeyHandle);
    return call_end(&call);
}
