/* Stands in for libcuda.so.1: as much of the driver as devices/cuda_driver.py asks, played by variables.
 * FAKE_GPU_COUNT (1), FAKE_GPU_NAME, FAKE_GPU_CAPABILITY (90), FAKE_CUDA (13000), FAKE_CUINIT (0: what cuInit returns),
 * FAKE_CUINIT_NAME (what cuGetErrorName says); CUDA_VISIBLE_DEVICES is obeyed where it is a list of numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

/* The GPU behind an index that the process is shown; its count for an index of -1. */
static int shown(int index) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    int all = number("FAKE_GPU_COUNT", 1), count = 0;
    if (!visible) return index < 0 ? all : index;
    char text[256];
    snprintf(text, sizeof text, "%s", visible);
    for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
        int gpu = atoi(word);
        if (gpu < 0 || gpu >= all) break;
        if (count++ == index) return gpu;
    }
    return count;
}

int cuInit(unsigned flags) { int code = number("FAKE_CUINIT", 0); return code ? code : shown(-1) ? 0 : 100; }
int cuDriverGetVersion(int *version) { *version = number("FAKE_CUDA", 13000); return 0; }
int cuDeviceGetCount(int *count) { *count = shown(-1); return 0; }
int cuDeviceGet(int *device, int index) { *device = shown(index); return index < shown(-1) ? 0 : 101; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)1 << 30; return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 0; return 0; }

int cuDeviceGetName(char *name, int size, int device) {
    const char *text = getenv("FAKE_GPU_NAME");
    snprintf(name, size, "%s", text ? text : "Fake H100");
    return 0;
}

int cuDeviceGetPCIBusId(char *id, int size, int device) {
    snprintf(id, size, "0000:%02X:00.0", 0x17 + device);
    return 0;
}

int cuDeviceGetUuid_v2(char *uuid, int device) {
    memset(uuid, 0, 16);
    uuid[3] = (char)device;
    return 0;
}

int cuDeviceGetUuid(char *uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int capability = number("FAKE_GPU_CAPABILITY", 90);
    *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : 0;
    return 0;
}

int cuGetErrorName(int code, const char **name) {
    const char *text = getenv("FAKE_CUINIT_NAME");
    *name = text ? text : "CUDA_ERROR_UNKNOWN";
    return 0;
}
