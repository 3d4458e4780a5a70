/* Calls what reads answers, whatever they are; a sanitizer says when one is misread. Ends with "survived". */
#include <stdio.h>
#include <stdlib.h>

#include "skf.h"

#define ROUNDS 300

int main(void) {
    static BYTE big[1 << 16];
    static char names[256];
    ULONG size = sizeof names;
    DEVHANDLE device;
    if (SKF_EnumDev(TRUE, names, &size) != SAR_OK || names[0] == 0) return 1;
    for (int round = 0; round < ROUNDS; round++) {
        HANDLE handle = NULL;
        DEVINFO info;
        ECCPUBLICKEYBLOB point = {.BitLen = 256};
        ECCSIGNATUREBLOB signature;
        ULONG one, other, room = round % 3 ? (ULONG)(round % 40) : (ULONG)sizeof big;
        BOOL flag;
        BYTE *exact = malloc(room ? room : 1); /* a byte too many written is seen */
        ECCCIPHERBLOB *cipher = malloc(sizeof *cipher + 15);
        BLOCKCIPHERPARAM param = {.IVLen = 16};
        if (exact == NULL || cipher == NULL || SKF_ConnectDev(names, &device) != SAR_OK) return 1;
        switch (round % 12) {
        case 0: SKF_GetDevInfo(device, &info); break;
        case 1: SKF_EnumApplication(device, (LPSTR)exact, &room); break;
        case 2: SKF_GenRandom(device, exact, room); break;
        case 3: SKF_Transmit(device, big, 4, exact, &room); break;
        case 4: SKF_ExtECCEncrypt(device, &point, big, 16, cipher); break;
        case 5:
            if (SKF_OpenApplication(device, "a", &handle) == SAR_OK) {
                SKF_GetPINInfo(handle, USER_TYPE, &one, &other, &flag);
                SKF_CloseApplication(handle);
            }
            break;
        case 6:
            if (SKF_OpenApplication(device, "a", &handle) == SAR_OK) {
                SKF_VerifyPIN(handle, USER_TYPE, "12345678", &one);
                SKF_ReadFile(handle, "f", 0, 10, exact, &room);
            }
            break;
        case 7:
            if (SKF_SetSymmKey(device, big, SGD_SM4_ECB, &handle) == SAR_OK) {
                SKF_EncryptInit(handle, param);
                SKF_Encrypt(handle, big, 16, exact, &room);
            }
            break;
        case 8:
            if (SKF_DigestInit(device, SGD_SM3, NULL, NULL, 0, &handle) == SAR_OK) SKF_DigestFinal(handle, exact, &room);
            break;
        case 9: SKF_ExtECCSign(device, &(ECCPRIVATEKEYBLOB){.BitLen = 256}, big, 32, &signature); break;
        case 10:
            if (SKF_OpenApplication(device, "a", &handle) == SAR_OK) SKF_EnumContainer(handle, (LPSTR)exact, &room);
            break;
        default:
            if (SKF_OpenApplication(device, "a", &handle) == SAR_OK) {
                HANDLE container;
                if (SKF_OpenContainer(handle, "c", &container) == SAR_OK) {
                    SKF_ExportPublicKey(container, TRUE, exact, &room);
                    SKF_ECCExportSessionKey(container, SGD_SM4_ECB, &point, cipher, &handle);
                }
            }
        }
        free(exact);
        free(cipher);
        SKF_DisConnectDev(device);
    }
    printf("survived\n");
    return 0;
}
