// Faces of a cube of n^3 cells with a halo of `width` cells on each side, in messages and back.
//
// A field is [z][y][x] of (n + 2 width)^3. Slot 2 axis + side of a message, width n n cells in the order of the field,
// fills the ghost cells of that side (0: low, 1: high) of the axis (0: z): so it is made of the opposite inner cells.

// Which cells of a field a slot stands for: from `first` on, `extent` cells in each direction.
struct Box {
    int first[3];
    int extent[3];
};

__device__ Box box_of(int slot, int n, int width, bool ghosts)
{
    const int axis = slot / 2, high = slot % 2;
    Box box;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
        box.first[d] = width;
        box.extent[d] = n;
        if (d == axis) {
            box.extent[d] = width;
            if (ghosts) box.first[d] = high ? n + width : 0;
            else box.first[d] = high ? width : n;
        }
    }
    return box;
}

__device__ long long place_of(const Box& box, int cell, int n, int width)
{
    const long long row = n + 2 * width;
    const int x = cell % box.extent[2], line = cell / box.extent[2];
    const int y = line % box.extent[1], z = line / box.extent[1];
    return ((box.first[0] + z) * row + box.first[1] + y) * row + box.first[2] + x;
}

// Grid: blocks for width n n cells, times 6 slots.
extern "C" __global__ void halo_pack(int n, int width, const REAL* __restrict__ field, REAL* __restrict__ message)
{
    const int cell = blockIdx.x * blockDim.x + threadIdx.x, cells = width * n * n, slot = blockIdx.y;
    if (cell < cells) {
        const Box box = box_of(slot, n, width, false);
        message[static_cast<long long>(slot) * cells + cell] = field[place_of(box, cell, n, width)];
    }
}

extern "C" __global__ void halo_unpack(int n, int width, const REAL* __restrict__ message, REAL* __restrict__ field)
{
    const int cell = blockIdx.x * blockDim.x + threadIdx.x, cells = width * n * n, slot = blockIdx.y;
    if (cell < cells) {
        const Box box = box_of(slot, n, width, true);
        field[place_of(box, cell, n, width)] = message[static_cast<long long>(slot) * cells + cell];
    }
}
