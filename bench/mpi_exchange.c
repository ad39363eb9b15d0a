/* Time of the two calls with which processes add up a gradient: MPI_Alltoallv of its slices, then MPI_Allgatherv of the sums.
 *
 *     mpicc -O2 bench/mpi_exchange.c -o /tmp/exchange -lm && mpirun -n 2 /tmp/exchange
 *
 * Prints microseconds per update, as the slowest process sees it: the median of ten measurements, their smallest and
 * largest, and the bytes per second that each process sends. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int *counts = malloc(2 * size * sizeof(int)), *starts = counts + size;
    /* Words of a gradient: nearly nothing, S, K and W. */
    const int nets[] = {64, 101770, 669706, 5824522};
    for (int net = 0; net < 4; net++) {
        int slice = nets[net] / size, words = slice * size;
        int *all = calloc(words, sizeof(int)), *other = calloc(words, sizeof(int));
        for (int k = 0; k < size; k++) counts[k] = slice, starts[k] = k * slice;
        int repeats = words < 1000 ? 1000 : words < 1000000 ? 50 : 5;
        double times[10];
        for (int at = -1; at < 10; at++) { /* the first is not counted */
            MPI_Barrier(MPI_COMM_WORLD);
            double begin = MPI_Wtime(), mine, slowest;
            for (int repeat = 0; repeat < repeats; repeat++) {
                MPI_Alltoallv(all, counts, starts, MPI_INT, other, counts, starts, MPI_INT, MPI_COMM_WORLD);
                MPI_Allgatherv(other, slice, MPI_INT, all, counts, starts, MPI_INT, MPI_COMM_WORLD);
            }
            mine = (MPI_Wtime() - begin) / repeats;
            MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
            if (at >= 0) times[at] = slowest;
        }
        qsort(times, 10, sizeof(double), order);
        double median = (times[4] + times[5]) / 2, sent = 2.0 * 4 * slice * (size - 1);
        if (rank == 0)
            printf("%d processes, %8d words: %9.1f us (%.1f .. %.1f), %.2f GB/s sent by each\n", size, words, 1e6 * median,
                   1e6 * times[0], 1e6 * times[9], sent / median / 1e9);
        free(all), free(other);
    }
    free(counts);
    MPI_Finalize();
    return 0;
}
