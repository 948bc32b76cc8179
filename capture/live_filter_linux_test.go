//go:build linux

package capture

import (
	"errors"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelFilter is a pair of sockets with a filter between them, in place of a network: filters of packets and of messages are the same.
type kernelFilter struct{ from, to int }

func newKernelFilter(t *testing.T) *kernelFilter {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	return &kernelFilter{pair[0], pair[1]}
}

func (k *kernelFilter) attach(program []FilterInstruction) error {
	f := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(program)))}
	return unix.SetsockoptSockFprog(k.to, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f)
}

// kept is how many bytes of a packet come through; 0: it does not.
func (k *kernelFilter) kept(t *testing.T, data []byte) int {
	t.Helper()
	if err := unix.Send(k.from, data, 0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(data))
	n, err := unix.Read(k.to, b)
	if errors.Is(err, unix.EAGAIN) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// variedFrames are Ethernet frames of all captures, few of each sort.
func variedFrames(t *testing.T) (frames [][]byte) {
	t.Helper()
	seen := map[string]int{}
	eachFrame(t, func(linkType uint16, rec record) {
		const each, size = 4, 1514
		if linkType != linkEthernet || len(rec.data) < 40 || len(rec.data) > size {
			return
		}
		sort := string(rec.data[12:15]) + string(rec.data[20:22]) + string(rec.data[23]) + string(rec.data[36:38])
		if seen[sort]++; seen[sort] <= each && len(seen) < 1000 {
			frames = append(frames, slices.Clone(rec.data))
		}
	})
	return frames
}

// TestFilterKernel compares the interpreter of these tests with the kernel.
func TestFilterKernel(t *testing.T) {
	frames := variedFrames(t)
	t.Logf("%d frames", len(frames))
	k := newKernelFilter(t)
	for _, expression := range filterExpressions {
		t.Run(expression, func(t *testing.T) {
			program, err := ParseFilterProgram(tcpdumpProgram(t, expression))
			if err != nil {
				t.Skip(err)
			}
			if slices.ContainsFunc(program, func(in FilterInstruction) bool { return in.Op&7 == bpfLoad && in.K >= bpfAncillary }) {
				t.Skip("asks for what only packets of an interface have")
			}
			if err := k.attach(program); err != nil {
				t.Fatal(err)
			}
			passed := 0
			for _, frame := range frames {
				want := min(int(runFilter(program, filteredPacket{data: frame})), len(frame))
				if got := k.kept(t, frame); got != want {
					t.Fatalf("%d bytes, want %d, of %x", got, want, frame)
				}
				if want > 0 {
					passed++
				}
			}
			t.Logf("%d of %d pass", passed, len(frames))
		})
	}
}

// TestFilterKernelAccepts changes programs at random: the kernel takes those that are accepted here, and no others.
func TestFilterKernelAccepts(t *testing.T) {
	random := rand.New(rand.NewSource(3))
	var programs [][]FilterInstruction
	for _, text := range []string{webProgram, "4\n2 0 0 15\n5 0 0 0\n96 0 0 15\n22 0 0 0\n", "5\n40 0 0 12\n21 1 0 2048\n2 0 0 3\n2 0 0 3\n22 0 0 0\n"} {
		program, err := ParseFilterProgram(text)
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, program)
	}
	network, _ := NetworkProgram(alwaysPrefixes, nil)
	programs = append(programs, network)
	interesting := []uint32{0, 1, 2, 15, 16, 31, 32, bpfAncillary, bpfAncillary + 1, bpfAncillary + 60, bpfAncillaryEnd, 1<<32 - 1, bpfAncillary - 1, 0x7fffffff}
	k := newKernelFilter(t)
	both := [2]int{}
	for range 60_000 {
		program := slices.Clone(programs[random.Intn(len(programs))])
		for range random.Intn(4) {
			in := &program[random.Intn(len(program))]
			switch random.Intn(5) {
			case 0:
				in.Op = uint16(random.Intn(256))
			case 1:
				in.K = interesting[random.Intn(len(interesting))]
			case 2:
				in.Jt, in.Jf = uint8(random.Intn(8)), uint8(random.Intn(8))
			case 3:
				*in = FilterInstruction{Op: []uint16{bpfStore, bpfStoreX, bpfLoad | bpfMemory, bpfLoadX | bpfMemory}[random.Intn(4)], K: uint32(random.Intn(18))}
			case 4:
				program = program[:1+random.Intn(len(program))]
			}
		}
		_, err := ParseFilterProgram(printFilter(program))
		kernel := k.attach(program)
		if kernel != nil && !errors.Is(kernel, unix.EINVAL) {
			t.Fatal(kernel)
		}
		if (err == nil) != (kernel == nil) {
			t.Fatalf("here: %v, kernel: %v\n%s", err, kernel, printFilter(program))
		}
		if err == nil {
			both[0]++
		} else {
			both[1]++
		}
	}
	t.Logf("%d accepted, %d refused", both[0], both[1])
}

// TestFilterHardware: the program must see frames as the packet socket of an interface gives them.
func TestFilterHardware(t *testing.T) {
	program, _ := NetworkProgram(alwaysPrefixes, nil)
	frame := ethernetTCP(localhost, outsideOf(localhost))
	for hardware := range 1 << 16 {
		l := link{hardware: uint16(hardware)}
		linkType, cooked := l.linkType()
		p := filteredPacket{data: frame, protocol: etherIPv4, hardware: uint16(hardware)}
		if cooked {
			p.data = frame[14:]
		}
		inside := runFilter(program, p) != 0
		p.data = slices.Clone(p.data)
		p.data[len(p.data)-len(frame)+14+12] = 203
		if outside := runFilter(program, p) != 0; !inside || outside != (linkType != linkEthernet && !cooked) {
			t.Errorf("ARPHRD %d, link type %d: inside %v, outside %v", hardware, linkType, inside, outside)
		}
	}
}

func TestFilterErrorShort(t *testing.T) {
	_, err := ParseFilterProgram(strings.Repeat("x", 1<<20))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("%.300v", err)
	}
}
