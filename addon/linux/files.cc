// What Node cannot ask of a descriptor.
#include <fcntl.h>
#include <poll.h>

#include <cerrno>

#include "../source.hh"

namespace tcptop
{

bool has_reader(int fd)
{
	pollfd descriptor = {fd, POLLOUT, 0};

	return poll(&descriptor, 1, 0) < 0 || !(descriptor.revents & (POLLERR | POLLHUP | POLLNVAL));
}

// A write lock of the open file description (fcntl(2), F_OFD_SETLK). A descriptor that is open for writing is needed
// for it, while flock(2) locks for any reader, too. A reader's read lock keeps a write lock out: the file is then
// written to without one.
bool lock_file(int fd)
{
	constexpr int tries = 100; // a lock that is gone when it is read again was no writer's
	struct flock other;

	for (int i = 0; i < tries; i++) {
		struct flock whole = {};
		whole.l_type = F_WRLCK;
		whole.l_whence = SEEK_SET;
		other = whole;
		if (fcntl(fd, F_OFD_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES))
			return true;
		if (fcntl(fd, F_OFD_GETLK, &other) != 0 || other.l_type == F_RDLCK)
			return true;
		if (other.l_type == F_WRLCK)
			return false;
	}
	return true;
}

} // namespace tcptop
