/* Stands in for libnvidia-ml.so.1, below the real nvidia-ml-py. The file named by FAKE_NVML plays it, read at every call:
 *     ecc_corrected 3      a value
 *     ecc_corrected 3 1    a value that rises by one with every call
 *     nvmlDeviceGetMigMode !3   the function returns this error (3: not supported, 15: the GPU is lost)
 * Compiled with -DOLD it lacks what drivers before 450 lack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *Device;
typedef unsigned long long Count;

static int find(const char *wanted, double *first, double *step, int *error) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[256], name[128], rest[128];
    int found = 0;
    *error = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%127s %127[^\n]", name, rest) == 2 && !strcmp(name, wanted)) {
            if (rest[0] == '!') *error = atoi(rest + 1);
            else sscanf(rest, "%lf %lf", first, step);
            found = 1;
        }
    }
    if (file) fclose(file);
    return found;
}

static struct { char name[64]; int calls; } seen[64];

static double value(const char *name, double otherwise) {
    double first = otherwise, step = 0;
    int error, place = 0;
    find(name, &first, &step, &error);
    while (seen[place].name[0] && strcmp(seen[place].name, name)) place++;
    strcpy(seen[place].name, name);
    return first + step * seen[place].calls++;
}

static int failing(const char *function) {
    double first, step;
    int error;
    find(function, &first, &step, &error);
    return error;
}

#define FUNCTION(name, ...) int name(__VA_ARGS__) { int error = failing(#name); if (error) return error;
#define END return 0; }

FUNCTION(nvmlInitWithFlags, unsigned flags) END
FUNCTION(nvmlShutdown, void) END
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : code == 3 ? "Not Supported" : "stub error"; }
FUNCTION(nvmlSystemGetDriverVersion, char *text, unsigned size) snprintf(text, size, "580.00"); END
FUNCTION(nvmlDeviceGetCount_v2, unsigned *count) *count = (unsigned)value("count", 1); END
FUNCTION(nvmlDeviceGetHandleByIndex_v2, unsigned index, Device *device) *device = (Device)(size_t)(index + 1); END
FUNCTION(nvmlDeviceGetHandleByUUID, const char *uuid, Device *device)
    if (!strncmp(uuid, value("mig", 0) ? "GPU-" : "MIG-", 4)) return 6;
    *device = (Device)1; END
FUNCTION(nvmlDeviceGetHandleByPciBusId_v2, const char *pci, Device *device) *device = (Device)1; END
FUNCTION(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, Device mig, Device *device) *device = (Device)1; END
FUNCTION(nvmlDeviceGetName, Device d, char *text, unsigned size) snprintf(text, size, "Fake H100"); END
FUNCTION(nvmlDeviceGetEccMode, Device d, int *now, int *later) *now = *later = (int)value("ecc_mode", 1); END
FUNCTION(nvmlDeviceGetMigMode, Device d, unsigned *now, unsigned *later) *now = *later = (unsigned)value("mig", 0); END
FUNCTION(nvmlDeviceGetEnforcedPowerLimit, Device d, unsigned *mw) *mw = (unsigned)value("power_limit", 700000); END
FUNCTION(nvmlDeviceGetMaxClockInfo, Device d, int type, unsigned *mhz) *mhz = type == 2 ? 2619 : 1980; END
FUNCTION(nvmlDeviceGetClockInfo, Device d, int type, unsigned *mhz) *mhz = type == 2 ? 2619 : 1755; END
FUNCTION(nvmlDeviceGetMaxPcieLinkGeneration, Device d, unsigned *n) *n = 5; END
FUNCTION(nvmlDeviceGetMaxPcieLinkWidth, Device d, unsigned *n) *n = 16; END
FUNCTION(nvmlDeviceGetCurrPcieLinkGeneration, Device d, unsigned *n) *n = (unsigned)value("pcie_generation", 5); END
FUNCTION(nvmlDeviceGetCurrPcieLinkWidth, Device d, unsigned *n) *n = (unsigned)value("pcie_width", 16); END
FUNCTION(nvmlDeviceGetPersistenceMode, Device d, int *on) *on = 1; END
FUNCTION(nvmlDeviceGetPowerUsage, Device d, unsigned *mw) *mw = 300000; END
FUNCTION(nvmlDeviceGetTemperature, Device d, int sensor, unsigned *celsius) *celsius = 55; END
FUNCTION(nvmlDeviceGetTotalEnergyConsumption, Device d, Count *mj) *mj = (Count)value("energy", 1e6); END
FUNCTION(nvmlDeviceGetTotalEccErrors, Device d, int kind, int span, Count *n)
    *n = (Count)value(kind ? "ecc_uncorrected" : "ecc_corrected", 0); END
FUNCTION(nvmlDeviceGetPcieReplayCounter, Device d, unsigned *n) *n = (unsigned)value("pcie_replays", 0); END
FUNCTION(nvmlDeviceGetNvLinkState, Device d, unsigned link, unsigned *up)
    if (link >= value("links", 2)) return 2;
    *up = 1; END
FUNCTION(nvmlDeviceGetNvLinkErrorCounter, Device d, unsigned link, int kind, Count *n)
    *n = (Count)value(kind == 0 ? "nvlink_replays" : kind == 1 ? "nvlink_recoveries" : "nvlink_crc", 0); END

#ifndef OLD
FUNCTION(nvmlDeviceGetCurrentClocksEventReasons, Device d, Count *mask) *mask = (Count)value("reasons", 0); END
FUNCTION(nvmlDeviceGetRemappedRows, Device d, unsigned *a, unsigned *b, unsigned *pending, unsigned *failed)
    *a = (unsigned)value("rows_corrected", 0); *b = 0; *pending = (unsigned)value("rows_pending", 0); *failed = 0; END

struct violation { Count reference, time; };
FUNCTION(nvmlDeviceGetViolationStatus, Device d, int policy, struct violation *status)
    char name[32];
    snprintf(name, sizeof name, "violation%d", policy);
    status->reference = 0; status->time = (Count)value(name, 0); END

/* nvmlFieldValue_t: field, scope, timestamp, latency, type, return code, value */
struct field { unsigned id, scope; long long timestamp, latency; unsigned type; int code; Count value; };
FUNCTION(nvmlDeviceGetFieldValues, Device d, int count, struct field *values)
    for (int i = 0; i < count; i++) {
        char name[32];
        double first, step;
        int error = 0;
        snprintf(name, sizeof name, "field%u", values[i].id);
        values[i].code = find(name, &first, &step, &error) ? error : values[i].id > 190 ? 3 : 0;
        values[i].type = 3;
        values[i].value = (Count)value(values[i].id == 161 ? "field_replays" : name, 0);
    } END
/* remote 0: each link leads to another GPU, at bus 0x20 + link / 2; remote 2: to a switch */
FUNCTION(nvmlDeviceGetNvLinkRemoteDeviceType, Device d, unsigned link, int *kind) *kind = (int)value("remote", 2); END
struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char text[32]; };
FUNCTION(nvmlDeviceGetNvLinkRemotePciInfo_v2, Device d, unsigned link, struct pci *pci)
    memset(pci, 0, sizeof *pci);
    pci->bus = 0x20 + link / 2; END
#endif
