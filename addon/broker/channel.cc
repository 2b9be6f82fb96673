#include "channel.hh"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "protocol.hh"

namespace tcptop
{

namespace
{

// cmsg(3): aligned as its head.
union Control {
	cmsghdr head;
	char bytes[CMSG_SPACE(max_files * sizeof(int))];
};

} // namespace

int send_message(int socket, const void *message, size_t size, const std::vector<int> &files)
{
	iovec bytes = {const_cast<void *>(message), size};
	Control control = {};
	msghdr envelope = {};

	envelope.msg_iov = &bytes;
	envelope.msg_iovlen = 1;
	if (files.size() > max_files)
		return E2BIG;
	if (!files.empty()) {
		envelope.msg_control = &control;
		envelope.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
		cmsghdr *head = CMSG_FIRSTHDR(&envelope);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
		memcpy(CMSG_DATA(head), files.data(), files.size() * sizeof(int));
	}
	for (;;) {
		ssize_t sent = sendmsg(socket, &envelope, MSG_NOSIGNAL);
		if (sent >= 0)
			return static_cast<size_t>(sent) == size ? 0 : EBADMSG;
		if (errno != EINTR)
			return errno == ECONNRESET ? EPIPE : errno;
	}
}

int receive_message(int socket, void *message, size_t size, std::vector<Fd> *files)
{
	iovec bytes = {message, size};
	Control control = {};
	msghdr envelope = {};
	ssize_t got;

	envelope.msg_iov = &bytes;
	envelope.msg_iovlen = 1;
	envelope.msg_control = &control;
	envelope.msg_controllen = sizeof(control);
	do {
		got = recvmsg(socket, &envelope, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? EPIPE : errno;
	files->clear();
	for (cmsghdr *head = CMSG_FIRSTHDR(&envelope); head; head = CMSG_NXTHDR(&envelope, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= head->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, reinterpret_cast<char *>(head) + at, sizeof(fd));
			files->emplace_back(fd);
		}
	}
	if (got == 0)
		return EPIPE;
	if (envelope.msg_flags & MSG_CTRUNC)
		return EMFILE;
	return static_cast<size_t>(got) == size && !(envelope.msg_flags & MSG_TRUNC) ? 0 : EBADMSG;
}

} // namespace tcptop
