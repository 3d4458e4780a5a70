/* A token's whole life, by a program that knows the header of GM/T 0016 and nothing else.
 * Arguments: the device authentication key in hexadecimal. Prints what failed and ends with 1, or "passed". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skf.h"

#define ADMIN_PIN "admin-pin-1"
#define USER_PIN "12345678"

static void check(ULONG got, ULONG wanted, const char *what, int line) {
    if (got == wanted) return;
    printf("line %d: %s answered %08X, not %08X\n", line, what, got, wanted);
    exit(1);
}

static void require(int holds, const char *what, int line) {
    if (holds) return;
    printf("line %d: %s does not hold\n", line, what);
    exit(1);
}

#define OK(call) check((ULONG)(call), SAR_OK, #call, __LINE__)
#define IS(call, code) check((ULONG)(call), code, #call, __LINE__)
#define HOLDS(condition) require(condition, #condition, __LINE__)

static void octets(BYTE *to, const char *hexadecimal) {
    for (; *hexadecimal; hexadecimal += 2, to++) {
        unsigned value;
        HOLDS(sscanf(hexadecimal, "%2x", &value) == 1);
        *to = (BYTE)value;
    }
}

static void ecb(DEVHANDLE device, const BYTE key[16], BYTE *data, ULONG size) {
    HANDLE handle;
    BLOCKCIPHERPARAM none = {0};
    ULONG room = size;
    OK(SKF_SetSymmKey(device, (BYTE *)key, SGD_SM4_ECB, &handle));
    OK(SKF_EncryptInit(handle, none));
    OK(SKF_Encrypt(handle, data, size, data, &room));
    HOLDS(room == size);
    OK(SKF_CloseHandle(handle));
}

static ULONG authenticate(DEVHANDLE device, const BYTE key[16]) {
    BYTE block[16] = {0};
    OK(SKF_GenRandom(device, block, 8));
    ecb(device, key, block, 16);
    return SKF_DevAuth(device, block, 16);
}

static void digest_of(DEVHANDLE device, ECCPUBLICKEYBLOB *key, const char *message, BYTE digest[32]) {
    HANDLE hash;
    ULONG size = 0;
    OK(SKF_DigestInit(device, SGD_SM3, key, (BYTE *)"1234567812345678", 16, &hash));
    OK(SKF_DigestUpdate(hash, (BYTE *)message, 3));
    OK(SKF_Digest(hash, (BYTE *)message + 3, (ULONG)strlen(message) - 3, NULL, &size));
    HOLDS(size == 32);
    OK(SKF_Digest(hash, (BYTE *)message + 3, (ULONG)strlen(message) - 3, digest, &size));
    OK(SKF_CloseHandle(hash));
}

/* The encryption key pair as a certification authority sends it. */
static void import_pair(DEVHANDLE device, HCONTAINER container, ECCPUBLICKEYBLOB *signing) {
    static const char *d = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8";
    static const char *x = "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020";
    static const char *y = "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
    BYTE symmetric[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    ENVELOPEDKEYBLOB *envelope = calloc(1, sizeof *envelope + 16);
    HOLDS(envelope != NULL);
    envelope->Version = 1;
    envelope->ulSymmAlgID = SGD_SM4_ECB;
    envelope->ulBits = 256;
    octets(envelope->cbEncryptedPriKey + 32, d);
    ecb(device, symmetric, envelope->cbEncryptedPriKey + 32, 32);
    envelope->PubKey.BitLen = 256;
    octets(envelope->PubKey.XCoordinate + 32, x);
    octets(envelope->PubKey.YCoordinate + 32, y);
    OK(SKF_ExtECCEncrypt(device, signing, symmetric, 16, &envelope->ECCCipherBlob));
    envelope->cbEncryptedPriKey[40] ^= 1;
    IS(SKF_ImportECCKeyPair(container, envelope), SAR_INDATAERR);
    envelope->cbEncryptedPriKey[40] ^= 1;
    OK(SKF_ImportECCKeyPair(container, envelope));
    free(envelope);
}

static void session_keys(HCONTAINER container) {
    ECCPUBLICKEYBLOB encryption;
    BYTE wrapped[sizeof(ECCCIPHERBLOB) + 16], enciphered[64], plain[64];
    BLOCKCIPHERPARAM param = {.IV = {7}, .IVLen = 16, .PaddingType = 1};
    ULONG size = sizeof encryption, room = 0, more = 0;
    HANDLE out, in, mac;
    OK(SKF_ExportPublicKey(container, FALSE, (BYTE *)&encryption, &size));
    OK(SKF_ECCExportSessionKey(container, SGD_SM4_CBC, &encryption, (ECCCIPHERBLOB *)wrapped, &out));
    OK(SKF_ImportSessionKey(container, SGD_SM4_CBC, wrapped, sizeof(ECCCIPHERBLOB) - 1 + 16, &in));
    OK(SKF_EncryptInit(out, param));
    OK(SKF_Encrypt(out, (BYTE *)"a message of some length", 24, NULL, &room));
    HOLDS(room == 32);
    room = 31;
    IS(SKF_Encrypt(out, (BYTE *)"a message of some length", 24, enciphered, &room), SAR_BUFFER_TOO_SMALL);
    HOLDS(room == 32);
    OK(SKF_Encrypt(out, (BYTE *)"a message of some length", 24, enciphered, &room));
    OK(SKF_DecryptInit(in, param));
    room = sizeof plain;
    OK(SKF_DecryptUpdate(in, enciphered, 20, plain, &room));
    HOLDS(room == 16);
    more = sizeof plain - room;
    OK(SKF_DecryptUpdate(in, enciphered + 20, 12, plain + room, &more));
    HOLDS(more == 0);
    more = sizeof plain - room;
    OK(SKF_DecryptFinal(in, plain + room, &more));
    HOLDS(room + more == 24 && memcmp(plain, "a message of some length", 24) == 0);
    IS(SKF_DecryptFinal(in, plain, &more), SAR_NOTINITIALIZEERR);
    OK(SKF_MacInit(in, &param, &mac));
    room = sizeof plain;
    OK(SKF_Mac(mac, (BYTE *)"a message of some length", 24, plain, &room));
    HOLDS(room == 16 && memcmp(plain, enciphered + 16, 16) == 0);
    OK(SKF_CloseHandle(mac));
    OK(SKF_CloseHandle(out));
    OK(SKF_CloseHandle(in));
    IS(SKF_CloseHandle(in), SAR_INVALIDHANDLEERR);
}

/* Both sides by one container: what each agrees on enciphers alike. */
static void agreement(HCONTAINER container) {
    BYTE initiator[] = "initiator", responder[] = "responder", ours[16], theirs[16];
    ECCPUBLICKEYBLOB encryption, first, second, off;
    BLOCKCIPHERPARAM none = {0};
    HANDLE begun, opening, answering;
    ULONG size = sizeof encryption, room = 16;
    OK(SKF_ExportPublicKey(container, FALSE, (BYTE *)&encryption, &size));
    IS(SKF_GenerateAgreementDataWithECC(container, SGD_SM1_ECB, &first, initiator, 9, &begun), SAR_NOTSUPPORTYETERR);
    OK(SKF_GenerateAgreementDataWithECC(container, SGD_SM4_ECB, &first, initiator, 9, &begun));
    off = first;
    off.XCoordinate[63] ^= 1;
    IS(SKF_GenerateAgreementDataAndKeyWithECC(container, SGD_SM4_ECB, &encryption, &off, &second, responder, 9,
                                              initiator, 9, &answering), SAR_INDATAERR);
    OK(SKF_GenerateAgreementDataAndKeyWithECC(container, SGD_SM4_ECB, &encryption, &first, &second, responder, 9,
                                              initiator, 9, &answering));
    OK(SKF_GenerateKeyWithECC(begun, &encryption, &second, responder, 9, &opening));
    IS(SKF_GenerateKeyWithECC(begun, &encryption, &second, responder, 9, &opening), SAR_NOTINITIALIZEERR);
    OK(SKF_EncryptInit(opening, none));
    OK(SKF_Encrypt(opening, (BYTE *)"sixteen octets..", 16, ours, &room));
    OK(SKF_EncryptInit(answering, none));
    OK(SKF_Encrypt(answering, (BYTE *)"sixteen octets..", 16, theirs, &room));
    HOLDS(memcmp(ours, theirs, 16) == 0 && memcmp(ours, "sixteen octets..", 16) != 0);
    OK(SKF_CloseHandle(begun));
    OK(SKF_CloseHandle(opening));
    OK(SKF_CloseHandle(answering));
}

static void files(HAPPLICATION application) {
    FILEATTRIBUTE attribute;
    BYTE content[16];
    char names[64];
    ULONG size = sizeof content;
    OK(SKF_CreateFile(application, "notes", 16, SECURE_USER_ACCOUNT, SECURE_USER_ACCOUNT));
    IS(SKF_CreateFile(application, "notes", 16, SECURE_USER_ACCOUNT, SECURE_USER_ACCOUNT), SAR_FILE_ALREADY_EXIST);
    OK(SKF_WriteFile(application, "notes", 4, (BYTE *)"note", 4));
    OK(SKF_ReadFile(application, "notes", 4, 4, content, &size));
    HOLDS(size == 4 && memcmp(content, "note", 4) == 0);
    OK(SKF_GetFileInfo(application, "notes", &attribute));
    HOLDS(attribute.FileSize == 16 && strcmp(attribute.FileName, "notes") == 0);
    size = sizeof names;
    OK(SKF_EnumFiles(application, names, &size));
    HOLDS(size == 7 && memcmp(names, "notes\0", 7) == 0);
    OK(SKF_DeleteFile(application, "notes"));
    IS(SKF_ReadFile(application, "notes", 0, 4, content, &size), SAR_FILE_NOT_EXIST);
}

static void sign_and_verify(DEVHANDLE device, HCONTAINER container, ECCPUBLICKEYBLOB *signing) {
    ECCSIGNATUREBLOB signature;
    BYTE digest[32];
    digest_of(device, signing, "message to be signed", digest);
    OK(SKF_ECCSignData(container, digest, 32, &signature));
    OK(SKF_ECCVerify(device, signing, digest, 32, &signature));
    OK(SKF_ExtECCVerify(device, signing, digest, 32, &signature));
    digest[0] ^= 1;
    IS(SKF_ECCVerify(device, signing, digest, 32, &signature), SAR_FAIL);
    IS(SKF_ECCSignData(container, digest, 31, &signature), SAR_INDATALENERR);
}

static void wrong_pins(HAPPLICATION application, HCONTAINER container) {
    ULONG most, left;
    BOOL factory;
    BYTE digest[32] = {0};
    ECCSIGNATUREBLOB signature;
    OK(SKF_ClearSecureState(application));
    IS(SKF_ECCSignData(container, digest, 32, &signature), SAR_USER_NOT_LOGGED_IN);
    for (ULONG wanted = 4; wanted > 0; wanted--) {
        IS(SKF_VerifyPIN(application, USER_TYPE, "wrong-pin", &left), SAR_PIN_INCORRECT);
        HOLDS(left == wanted);
    }
    IS(SKF_VerifyPIN(application, USER_TYPE, "wrong-pin", &left), SAR_PIN_LOCKED);
    IS(SKF_VerifyPIN(application, USER_TYPE, USER_PIN, &left), SAR_PIN_LOCKED);
    OK(SKF_GetPINInfo(application, USER_TYPE, &most, &left, &factory));
    HOLDS(most == 5 && left == 0 && factory == TRUE);
    OK(SKF_UnblockPIN(application, ADMIN_PIN, "87654321", &left));
    OK(SKF_VerifyPIN(application, USER_TYPE, "87654321", &left));
    OK(SKF_ChangePIN(application, USER_TYPE, "87654321", USER_PIN, &left));
    OK(SKF_ECCSignData(container, digest, 32, &signature));
}

int main(int count, char **arguments) {
    DEVHANDLE device;
    HAPPLICATION application;
    HCONTAINER container;
    DEVINFO info;
    ECCPUBLICKEYBLOB signing;
    RSAPUBLICKEYBLOB rsa;
    char names[256];
    BYTE key[16], other[16] = {0};
    ULONG size = sizeof names, state, left, type;
    HOLDS(count == 2 && strlen(arguments[1]) == 32);
    octets(key, arguments[1]);

    OK(SKF_EnumDev(TRUE, names, &size));
    HOLDS(names[0] != 0 && names[size - 1] == 0 && names[size - 2] == 0);
    OK(SKF_GetDevState(names, &state));
    HOLDS(state == DEV_PRESENT_STATE);
    IS(SKF_ConnectDev("no such key", &device), SAR_DEVICE_REMOVED);
    OK(SKF_ConnectDev(names, &device));
    OK(SKF_SetLabel(device, "key of Li Si"));
    OK(SKF_GetDevInfo(device, &info));
    HOLDS(strcmp(info.Label, "key of Li Si") == 0 && info.SerialNumber[0] != 0);

    IS(SKF_CreateApplication(device, "app", ADMIN_PIN, 5, USER_PIN, 5, SECURE_USER_ACCOUNT, &application),
       SAR_USER_NOT_LOGGED_IN);
    IS(authenticate(device, other), SAR_FAIL);
    OK(authenticate(device, key));
    OK(SKF_ChangeDevAuthKey(device, other, 16));
    OK(authenticate(device, other));
    OK(SKF_ChangeDevAuthKey(device, key, 16));
    IS(SKF_CreateApplication(device, "app", ADMIN_PIN, 5, "short", 5, SECURE_USER_ACCOUNT, &application),
       SAR_PIN_LEN_RANGE);
    OK(SKF_CreateApplication(device, "app", ADMIN_PIN, 5, USER_PIN, 5, SECURE_USER_ACCOUNT, &application));
    OK(SKF_CloseApplication(application));
    OK(SKF_OpenApplication(device, "app", &application));
    IS(SKF_CreateContainer(application, "box", &container), SAR_USER_NOT_LOGGED_IN);
    OK(SKF_VerifyPIN(application, USER_TYPE, USER_PIN, &left));

    OK(SKF_CreateContainer(application, "box", &container));
    OK(SKF_GetContainerType(container, &type));
    HOLDS(type == CONTAINER_TYPE_EMPTY);
    IS(SKF_GenRSAKeyPair(container, 2048, &rsa), SAR_NOTSUPPORTYETERR);
    OK(SKF_GenECCKeyPair(container, SGD_SM2_1, &signing));
    OK(SKF_GetContainerType(container, &type));
    HOLDS(type == CONTAINER_TYPE_ECC);
    sign_and_verify(device, container, &signing);
    import_pair(device, container, &signing);
    session_keys(container);
    agreement(container);
    files(application);
    size = sizeof names;
    IS(SKF_ExportCertificate(container, TRUE, (BYTE *)names, &size), SAR_CERTNOTFOUNTERR);
    wrong_pins(application, container);

    size = sizeof names;
    OK(SKF_EnumContainer(application, names, &size));
    HOLDS(size == 5 && memcmp(names, "box\0", 5) == 0);
    OK(SKF_DeleteContainer(application, "box"));
    IS(SKF_GenECCKeyPair(container, SGD_SM2_1, &signing), SAR_INVALIDHANDLEERR);
    OK(SKF_CloseContainer(container));
    OK(SKF_CloseApplication(application));
    OK(SKF_DeleteApplication(device, "app"));
    IS(SKF_OpenApplication(device, "app", &application), SAR_APPLICATION_NOT_EXISTS);
    OK(SKF_DisConnectDev(device));
    IS(SKF_GetDevInfo(device, &info), SAR_INVALIDHANDLEERR);
    printf("passed\n");
    return 0;
}
