// Messages between Node and the broker, over a socket that keeps their bounds, with descriptors.
#pragma once

#include <cstddef>
#include <vector>

#include "fd.hh"

namespace tcptop
{

// Sends one message, with copies of at most max_files descriptors. 0, or the errno.
int send_message(int socket, const void *message, size_t size, const std::vector<int> &files);

// Receives one message of exactly this size. 0, or the errno: EPIPE where the other side has ended, EMFILE where there
// was no room for its descriptors, EBADMSG for anything else.
int receive_message(int socket, void *message, size_t size, std::vector<Fd> *files);

} // namespace tcptop
