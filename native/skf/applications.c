/* 7.2 access control, 7.3 applications, 7.4 files */
#include "channel.h"

#include <stdio.h>
#include <string.h>

ULONG DEVAPI SKF_ChangeDevAuthKey(DEVHANDLE hDev, BYTE *pbKeyValue, ULONG ulKeyLen) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_CHANGE_DEV_AUTH_KEY);
    call_octets(&call, pbKeyValue, ulKeyLen);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_DevAuth(DEVHANDLE hDev, BYTE *pbAuthData, ULONG ulLen) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_DEV_AUTH);
    call_octets(&call, pbAuthData, ulLen);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_ChangePIN(HAPPLICATION hApplication, ULONG ulPINType, LPSTR szOldPin, LPSTR szNewPin,
                           ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_CHANGE_PIN);
    call_number(&call, ulPINType);
    call_text(&call, szOldPin);
    call_text(&call, szNewPin);
    call_send(&call);
    return call_end_with_tries(&call, pulRetryCount);
}

LONG DEVAPI SKF_GetPINInfo(HAPPLICATION hApplication, ULONG ulPINType, ULONG *pulMaxRetryCount,
                           ULONG *pulRemainRetryCount, BOOL *pbDefaultPin) {
    struct call call;
    if (pulMaxRetryCount == NULL || pulRemainRetryCount == NULL || pbDefaultPin == NULL)
        return (LONG)SAR_INVALIDPARAMERR;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_GET_PIN_INFO);
    call_number(&call, ulPINType);
    if (call_send(&call) == SAR_OK) {
        *pulMaxRetryCount = reader_number(&call.reader);
        *pulRemainRetryCount = reader_number(&call.reader);
        *pbDefaultPin = (BOOL)reader_number(&call.reader);
    }
    return (LONG)call_end(&call);
}

ULONG DEVAPI SKF_VerifyPIN(HAPPLICATION hApplication, ULONG ulPINType, LPSTR szPIN, ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_VERIFY_PIN);
    call_number(&call, ulPINType);
    call_text(&call, szPIN);
    call_send(&call);
    return call_end_with_tries(&call, pulRetryCount);
}

ULONG DEVAPI SKF_UnblockPIN(HAPPLICATION hApplication, LPSTR szAdminPIN, LPSTR szNewUserPIN, ULONG *pulRetryCount) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_UNBLOCK_PIN);
    call_text(&call, szAdminPIN);
    call_text(&call, szNewUserPIN);
    call_send(&call);
    return call_end_with_tries(&call, pulRetryCount);
}

ULONG DEVAPI SKF_ClearSecureState(HAPPLICATION hApplication) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_CLEAR_SECURE_STATE);
    call_send(&call);
    return call_end(&call);
}

/* --- applications ------------------------------------------------------------------------------------------------ */

ULONG DEVAPI SKF_CreateApplication(DEVHANDLE hDev, LPSTR szAppName, LPSTR szAdminPin, DWORD dwAdminPinRetryCount,
                                   LPSTR szUserPin, DWORD dwUserPinRetryCount, DWORD dwCreateFileRights,
                                   HAPPLICATION *phApplication) {
    struct call call;
    if (phApplication == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_CREATE_APPLICATION);
    call_text(&call, szAppName);
    call_text(&call, szAdminPin);
    call_number(&call, dwAdminPinRetryCount);
    call_text(&call, szUserPin);
    call_number(&call, dwUserPinRetryCount);
    call_number(&call, dwCreateFileRights);
    call_send(&call);
    call_give_handle(&call, KIND_APPLICATION, phApplication);
    return call_end(&call);
}

ULONG DEVAPI SKF_EnumApplication(DEVHANDLE hDev, LPSTR szAppName, ULONG *pulSize) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_ENUM_APPLICATION);
    call_send(&call);
    call_give_names(&call, szAppName, pulSize);
    return call_end(&call);
}

ULONG DEVAPI SKF_DeleteApplication(DEVHANDLE hDev, LPSTR szAppName) {
    struct call call;
    call_begin(&call, hDev, KIND_DEVICE, FN_DELETE_APPLICATION);
    call_text(&call, szAppName);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_OpenApplication(DEVHANDLE hDev, LPSTR szAppName, HAPPLICATION *phApplication) {
    struct call call;
    if (phApplication == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hDev, KIND_DEVICE, FN_OPEN_APPLICATION);
    call_text(&call, szAppName);
    call_send(&call);
    call_give_handle(&call, KIND_APPLICATION, phApplication);
    return call_end(&call);
}

static ULONG close_any(HANDLE handle, int kinds) {
    struct call call;
    call_begin(&call, handle, kinds, FN_CLOSE_HANDLE);
    ULONG code = call_send(&call);
    if (code != SAR_INVALIDHANDLEERR) handle_drop(handle);
    return call_end(&call);
}

ULONG DEVAPI SKF_CloseApplication(HAPPLICATION hApplication) { return close_any(hApplication, KIND_APPLICATION); }

ULONG DEVAPI SKF_CloseContainer(HCONTAINER hContainer) { return close_any(hContainer, KIND_CONTAINER); }

ULONG DEVAPI SKF_CloseHandle(HANDLE hHandle) {
    return close_any(hHandle, KIND_KEY | KIND_HASH | KIND_MAC | KIND_AGREEMENT);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

ULONG DEVAPI SKF_CreateFile(HAPPLICATION hApplication, LPSTR szFileName, ULONG ulFileSize, ULONG ulReadRights,
                            ULONG ulWriteRights) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_CREATE_FILE);
    call_text(&call, szFileName);
    call_number(&call, ulFileSize);
    call_number(&call, ulReadRights);
    call_number(&call, ulWriteRights);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_DeleteFile(HAPPLICATION hApplication, LPSTR szFileName) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_DELETE_FILE);
    call_text(&call, szFileName);
    call_send(&call);
    return call_end(&call);
}

ULONG DEVAPI SKF_EnumFiles(HAPPLICATION hApplication, LPSTR szFileList, ULONG *pulSize) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_ENUM_FILES);
    call_send(&call);
    call_give_names(&call, szFileList, pulSize);
    return call_end(&call);
}

ULONG DEVAPI SKF_GetFileInfo(HAPPLICATION hApplication, LPSTR szFileName, FILEATTRIBUTE *pFileInfo) {
    struct call call;
    if (pFileInfo == NULL) return SAR_INVALIDPARAMERR;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_GET_FILE_INFO);
    call_text(&call, szFileName);
    if (call_send(&call) == SAR_OK) {
        memset(pFileInfo, 0, sizeof *pFileInfo);
        size_t length = strnlen(szFileName, MAX_FILE_NAME_SIZE); /* a name of 32 octets leaves no room for a zero */
        memcpy(pFileInfo->FileName, szFileName, length);
        pFileInfo->FileSize = reader_number(&call.reader);
        pFileInfo->ReadRights = reader_number(&call.reader);
        pFileInfo->WriteRights = reader_number(&call.reader);
    }
    return call_end(&call);
}

ULONG DEVAPI SKF_ReadFile(HAPPLICATION hApplication, LPSTR szFileName, ULONG ulOffset, ULONG ulSize, BYTE *pbOutData,
                          ULONG *pulOutLen) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_READ_FILE);
    call_text(&call, szFileName);
    call_number(&call, ulOffset);
    call_number(&call, ulSize);
    call_send(&call);
    call_give_octets(&call, pbOutData, pulOutLen);
    return call_end(&call);
}

ULONG DEVAPI SKF_WriteFile(HAPPLICATION hApplication, LPSTR szFileName, ULONG ulOffset, BYTE *pbData, ULONG ulSize) {
    struct call call;
    call_begin(&call, hApplication, KIND_APPLICATION, FN_WRITE_FILE);
    call_text(&call, szFileName);
    call_number(&call, ulOffset);
    call_octets(&call, pbData, ulSize);
    call_send(&call);
    return call_end(&call);
}
