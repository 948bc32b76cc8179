package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counted is what the bare counter prints.
type counted struct{ Kernel, Delivered, Dropped uint64 }

const (
	counterBlock  = 256 << 10
	counterBlocks = 128 // 32 MiB, the ring of pcapaudit
)

// count is the bare counter, a program of its own so that its processor time can be told: it adds up the numbers of packets that the blocks of a ring
// name and looks at no packet.
func count(ctx context.Context, flags *flag.FlagSet, args []string) error {
	flags.Parse(args)
	at, err := net.InterfaceByName(far)
	if err != nil {
		return fmt.Errorf("find %s: %w", far, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("choose version of ring: %w", err)
	}
	request := unix.TpacketReq3{Block_size: counterBlock, Block_nr: counterBlocks, Frame_size: 2048, Frame_nr: counterBlocks * counterBlock / 2048, Retire_blk_tov: 40}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return fmt.Errorf("make ring: %w", err)
	}
	ring, err := unix.Mmap(fd, 0, counterBlock*counterBlocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: at.Index}); err != nil {
		return fmt.Errorf("bind to %s: %w", far, err)
	}
	var c counted
	for block := 0; ctx.Err() == nil; {
		b := ring[block*counterBlock:]
		status := (*uint32)(unsafe.Pointer(&b[8]))
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
			continue
		}
		c.Delivered += uint64(binary.NativeEndian.Uint32(b[12:]))
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
		block = (block + 1) % counterBlocks
	}
	s, err := unix.GetsockoptTpacketStatsV3(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return fmt.Errorf("read packet counters: %w", err)
	}
	c.Kernel, c.Dropped = uint64(s.Packets), uint64(s.Drops)
	return json.NewEncoder(os.Stdout).Encode(c)
}
