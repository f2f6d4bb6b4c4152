/*
 * Starts a VirtualBox machine without the kernel module.
 *
 * The stock VBoxHeadless insists on /dev/vboxdrv. VirtualBox's run-time library can do without: in
 * its driverless mode the guest's instructions are interpreted. This launcher asks for that mode
 * and then goes on as the stock one does.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LIBRARIES "/usr/lib/virtualbox/"
#define UNRESTRICTED (1u << 0)
#define DRIVERLESS (1u << 2)
#define DRIVERLESS_INTERPRETER (1u << 3)

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        fprintf(stderr, "launcher: %s\n", dlerror());
    return library;
}

int main(int argc, char **argv, char **envp)
{
    /* The stock launcher hands itself arguments that only its hardened start understands. */
    int kept = 1;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--sup-", 6) != 0)
            argv[kept++] = argv[i];
    argv[kept] = NULL;

    void *runtime = load(LIBRARIES "VBoxRT.so");
    if (!runtime)
        return 1;
    int (*init_runtime)(int, char ***, uint32_t) = dlsym(runtime, "RTR3InitExe");
    int (*init_support)(uint32_t, void **) = dlsym(runtime, "SUPR3InitEx");
    if (!init_runtime || !init_support) {
        fprintf(stderr, "launcher: VBoxRT.so lacks RTR3InitExe or SUPR3InitEx\n");
        return 1;
    }
    int status = init_runtime(kept, &argv, 0);
    if (status >= 0)
        status = init_support(UNRESTRICTED | DRIVERLESS | DRIVERLESS_INTERPRETER, NULL);
    if (status < 0) {
        fprintf(stderr, "launcher: VirtualBox's run-time library does not start: error %d\n", status);
        return 1;
    }

    void *headless = load(LIBRARIES "VBoxHeadless.so");
    if (!headless)
        return 1;
    int (*trusted_main)(int, char **, char **) = dlsym(headless, "TrustedMain");
    if (!trusted_main) {
        fprintf(stderr, "launcher: VBoxHeadless.so lacks TrustedMain\n");
        return 1;
    }
    return trusted_main(kept, argv, envp);
}
