// Prints whether a kernel with the facts of its arguments is preemptible: VERSION MODE COMMAND CONFIG.
#include <cstdio>

#include "preemption.hh"

int main(int argc, char **argv)
{
	if (argc != 5)
		return 64;
	puts(tcptop::is_preemptible({argv[1], argv[2], argv[3], argv[4]}) ? "yes" : "no");
	return 0;
}
