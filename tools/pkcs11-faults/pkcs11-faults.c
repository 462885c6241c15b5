/*
 * A PKCS#11 module that stands before another one and fails on command.
 *
 *   PKCS11_FAULTS_MODULE   the module behind it
 *   PKCS11_FAULTS_FOLDER   a folder of files, each of which is one fault
 *
 * A file `C_Sign,0x32,7` makes one call of C_Sign return 0x32, whichever process it comes from: who can remove the file
 * has the fault, so it happens once. `C_Sign,hang,1` never returns, `C_Sign,crash,1` ends the process, and
 * `after-C_GenerateKeyPair,0x30,1` calls the module first: failed, but applied. The last part only tells files apart.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkcs11.h"

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST ours;

/* Takes a fault of this name, if there is one. */
static int take(const char *name, CK_RV *rv) {
  const char *folder = getenv("PKCS11_FAULTS_FOLDER");
  DIR *dir = folder == NULL ? NULL : opendir(folder);
  if (dir == NULL) return 0;
  char what[64] = "";
  size_t length = strlen(name);
  for (struct dirent *entry; what[0] == 0 && (entry = readdir(dir)) != NULL;) {
    if (strncmp(entry->d_name, name, length) != 0 || entry->d_name[length] != ',') continue;
    if (unlinkat(dirfd(dir), entry->d_name, 0) == 0) snprintf(what, sizeof what, "%s", entry->d_name + length + 1);
  }
  closedir(dir);
  if (what[0] == 0) return 0;
  if (strncmp(what, "hang", 4) == 0)
    for (;;) pause();
  if (strncmp(what, "crash", 5) == 0) abort();
  *rv = strtoul(what, NULL, 0);
  return 1;
}

#define FAIL(name, parameters, arguments)                  \
  static CK_RV our_##name parameters {                     \
    CK_RV rv;                                              \
    if (take(#name, &rv)) return rv;                       \
    CK_RV theirs = real->name arguments;                   \
    return take("after-" #name, &rv) ? rv : theirs;        \
  }

FAIL(C_OpenSession, (CK_SLOT_ID a, CK_FLAGS b, CK_VOID_PTR c, CK_NOTIFY d, CK_SESSION_HANDLE_PTR e), (a, b, c, d, e))
FAIL(C_Login, (CK_SESSION_HANDLE a, CK_USER_TYPE b, CK_UTF8CHAR_PTR c, CK_ULONG d), (a, b, c, d))
FAIL(C_FindObjectsInit, (CK_SESSION_HANDLE a, CK_ATTRIBUTE_PTR b, CK_ULONG c), (a, b, c))
FAIL(C_SignInit, (CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c), (a, b, c))
FAIL(C_Sign, (CK_SESSION_HANDLE a, CK_BYTE_PTR b, CK_ULONG c, CK_BYTE_PTR d, CK_ULONG_PTR e), (a, b, c, d, e))
FAIL(C_Decrypt, (CK_SESSION_HANDLE a, CK_BYTE_PTR b, CK_ULONG c, CK_BYTE_PTR d, CK_ULONG_PTR e), (a, b, c, d, e))
FAIL(C_DestroyObject, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b), (a, b))
FAIL(C_GenerateKeyPair,
     (CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_ATTRIBUTE_PTR c, CK_ULONG d, CK_ATTRIBUTE_PTR e, CK_ULONG f,
      CK_OBJECT_HANDLE_PTR g, CK_OBJECT_HANDLE_PTR h),
     (a, b, c, d, e, f, g, h))

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  if (real == NULL) {
    const char *path = getenv("PKCS11_FAULTS_MODULE");
    void *module = path == NULL ? NULL : dlopen(path, RTLD_NOW);
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
    if (module != NULL) *(void **)&get = dlsym(module, "C_GetFunctionList");
    if (get == NULL || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
    ours = *real;
    ours.C_OpenSession = our_C_OpenSession;
    ours.C_Login = our_C_Login;
    ours.C_FindObjectsInit = our_C_FindObjectsInit;
    ours.C_SignInit = our_C_SignInit;
    ours.C_Sign = our_C_Sign;
    ours.C_Decrypt = our_C_Decrypt;
    ours.C_DestroyObject = our_C_DestroyObject;
    ours.C_GenerateKeyPair = our_C_GenerateKeyPair;
  }
  *list = &ours;
  return CKR_OK;
}
