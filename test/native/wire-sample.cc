// Writes one record, one owner and one set of losses to stdout, every field with a value of its own.
#include <cstdio>
#include <cstring>

#include "flows/wire.h"

namespace
{

template <typename T> void put(const T &value)
{
	fwrite(&value, sizeof(value), 1, stdout);
}

} // namespace

int main()
{
	flows_record r = {};
	r.head.size = sizeof(r);
	r.head.lens = FLOWS_LENS;
	r.head.abi = FLOWS_ABI;
	r.id = 0xfedcba9876543210u;
	r.head.time_ns = 1000000000001u;
	r.opened_ns = 1000000000002u;
	r.active_ns = 1000000000003u;
	r.bytes_in = (1ull << 53) - 1;
	r.bytes_out = 5000000005u;
	r.packets_in = 5000000006u;
	r.packets_out = 5000000007u;
	r.bytes_retrans = 5000000008u;
	r.cgroup_id = 0x8000000000000009u;
	r.srtt_us = 4000000010u;
	r.rttvar_us = 11;
	r.min_rtt_us = 12;
	r.retransmits = 13;
	r.snd_cwnd = 14;
	r.pid = 15;
	r.uid = 4294967294u;
	r.netns = 4026531840u;
	for (int i = 0; i < 16; i++) {
		r.local_address[i] = static_cast<__u8>(0x20 + i);
		r.remote_address[i] = 0;
	}
	memcpy(r.remote_address + 10, "\xff\xff\xc0\x00\x02\x01", 6);
	r.local_port = 65535;
	r.remote_port = 443;
	r.head.kind = FLOWS_KIND_SAMPLE;
	r.proto = 6;
	r.state = 8;
	r.flags = FLOWS_FLAG_PARTIAL | FLOWS_FLAG_MIN_RTT;
	r.inode = 4294967293u;
	memcpy(r.process, "sixteen-bytes-ab", 16);
	r.process_start_ns = 5000000026u;
	put(r);

	flows_owner o = {};
	o.inode = 4294967297u;
	o.cgroup_id = 17;
	o.pid = 18;
	o.uid = 19;
	strcpy(o.process, "owner");
	o.process_start_ns = 5000000027u;
	put(o);

	flows_losses l = {};
	l.flows_untracked = 20;
	l.bytes_untracked = 21;
	l.datagrams_untracked = 22;
	l.records_deferred = 23;
	l.closes_lost = 24;
	l.datagrams_uncorrected = 25;
	put(l);
	return 0;
}
