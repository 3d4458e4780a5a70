/* 7.6: a token of this system holds SM2 keys only. */
#include "channel.h"

ULONG DEVAPI SKF_GenExtRSAKey(DEVHANDLE hDev, ULONG ulBitsLen, RSAPRIVATEKEYBLOB *pBlob) {
    (void)hDev;
    (void)ulBitsLen;
    (void)pBlob;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_GenRSAKeyPair(HCONTAINER hContainer, ULONG ulBitsLen, RSAPUBLICKEYBLOB *pBlob) {
    (void)hContainer;
    (void)ulBitsLen;
    (void)pBlob;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_ImportRSAKeyPair(HCONTAINER hContainer, ULONG ulSymAlgId, BYTE *pbWrappedKey, ULONG ulWrappedKeyLen,
                                  BYTE *pbEncryptedData, ULONG ulEncryptedDataLen) {
    (void)hContainer;
    (void)ulSymAlgId;
    (void)pbWrappedKey;
    (void)ulWrappedKeyLen;
    (void)pbEncryptedData;
    (void)ulEncryptedDataLen;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_RSASignData(HCONTAINER hContainer, BYTE *pbData, ULONG ulDataLen, BYTE *pbSignature,
                             ULONG *pulSignLen) {
    (void)hContainer;
    (void)pbData;
    (void)ulDataLen;
    (void)pbSignature;
    (void)pulSignLen;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_RSAVerify(DEVHANDLE hDev, RSAPUBLICKEYBLOB *pRSAPubKeyBlob, BYTE *pbData, ULONG ulDataLen,
                           BYTE *pbSignature, ULONG ulSignLen) {
    (void)hDev;
    (void)pRSAPubKeyBlob;
    (void)pbData;
    (void)ulDataLen;
    (void)pbSignature;
    (void)ulSignLen;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_RSAExportSessionKey(HCONTAINER hContainer, ULONG ulAlgId, RSAPUBLICKEYBLOB *pPubKey, BYTE *pbData,
                                     ULONG *pulDataLen, HANDLE *phSessionKey) {
    (void)hContainer;
    (void)ulAlgId;
    (void)pPubKey;
    (void)pbData;
    (void)pulDataLen;
    (void)phSessionKey;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_ExtRSAPubKeyOperation(DEVHANDLE hDev, RSAPUBLICKEYBLOB *pRSAPubKeyBlob, BYTE *pbInput,
                                       ULONG ulInputLen, BYTE *pbOutput, ULONG *pulOutputLen) {
    (void)hDev;
    (void)pRSAPubKeyBlob;
    (void)pbInput;
    (void)ulInputLen;
    (void)pbOutput;
    (void)pulOutputLen;
    return SAR_NOTSUPPORTYETERR;
}

ULONG DEVAPI SKF_ExtRSAPriKeyOperation(DEVHANDLE hDev, RSAPRIVATEKEYBLOB *pRSAPriKeyBlob, BYTE *pbInput,
                                       ULONG ulInputLen, BYTE *pbOutput, ULONG *pulOutputLen) {
    (void)hDev;
    (void)pRSAPriKeyBlob;
    (void)pbInput;
    (void)ulInputLen;
    (void)pbOutput;
    (void)pulOutputLen;
    return SAR_NOTSUPPORTYETERR;
}
