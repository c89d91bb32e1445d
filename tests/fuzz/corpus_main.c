/*
 * Runs a fuzz target over its corpus, so that every build and every sanitizer sees
 * each input that was ever worth keeping.  Arguments are folders; an empty one is
 * an error, since a target without input shows nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input lies in memory of exactly its size: a byte read behind it is found. */
static int run_file(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *data;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
		perror(path);
		exit(1);
	}
	rewind(file);
	data = malloc(size > 0 ? (size_t)size : 1);
	if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		const struct dirent *entry;

		while (folder != NULL && (entry = readdir(folder)) != NULL) {
			count += entry->d_name[0] != '.' ? run_file(argv[i], entry->d_name) : 0;
		}
		if (folder != NULL) {
			closedir(folder);
		}
	}
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
