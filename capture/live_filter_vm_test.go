package capture

import (
	"encoding/binary"
	"fmt"
)

// filteredPacket is what a filter program sees of a packet.
type filteredPacket struct {
	data     []byte
	protocol uint16 // the EtherType as the kernel knows it
	hardware uint16 // ARPHRD_ type of the interface
}

// runFilter is a plain interpreter of classic BPF: how many bytes are kept. Programs that checkProgram accepts run to a return.
func runFilter(program []FilterInstruction, p filteredPacket) uint32 {
	var a, x uint32
	var memory [bpfWords]uint32
	for pc := 0; ; pc++ {
		in := program[pc]
		operand := in.K
		if in.Op&bpfX != 0 {
			operand = x
		}
		switch in.Op & 7 {
		case bpfLoad, bpfLoadX:
			v, ok := load(in, p, x, &memory)
			if !ok {
				return 0
			}
			if in.Op&7 == bpfLoad {
				a = v
			} else {
				x = v
			}
		case bpfStore:
			memory[in.K] = a
		case bpfStoreX:
			memory[in.K] = x
		case bpfALU:
			if operation := in.Op & 0xf0; operand == 0 && (operation == bpfDiv || operation == bpfMod) {
				return 0
			}
			a = calculate(in.Op&0xf0, a, operand)
		case bpfJump:
			pc += jump(in, a, operand)
		case bpfReturn:
			if in.Op == bpfReturn|bpfA {
				return a
			}
			return in.K
		case bpfMisc:
			if in.Op == bpfMisc|bpfToX {
				x = a
			} else {
				a = x
			}
		}
	}
}

func load(in FilterInstruction, p filteredPacket, x uint32, memory *[bpfWords]uint32) (uint32, bool) {
	at := uint64(in.K)
	switch in.Op & 0xe0 {
	case bpfImmediate:
		return in.K, true
	case bpfMemory:
		return memory[in.K], true
	case bpfLength:
		return uint32(len(p.data)), true
	case bpfMSH:
		if at >= uint64(len(p.data)) {
			return 0, false
		}
		return uint32(p.data[at]&15) * 4, true
	case bpfIndirect:
		at = uint64(in.K + x)
	case bpfAbsolute:
		switch at {
		case bpfProtocol:
			return uint32(p.protocol), true
		case bpfHardware:
			return uint32(p.hardware), true
		}
	}
	size := map[uint16]uint64{bpfWord: 4, bpfHalf: 2, bpfByte: 1}[in.Op&0x18]
	if at+size > uint64(len(p.data)) {
		return 0, false
	}
	var word [4]byte
	copy(word[4-size:], p.data[at:at+size])
	return binary.BigEndian.Uint32(word[:]), true
}

func calculate(operation uint16, a, v uint32) uint32 {
	switch operation {
	case bpfAdd:
		return a + v
	case bpfSub:
		return a - v
	case bpfMul:
		return a * v
	case bpfDiv:
		return a / v
	case bpfMod:
		return a % v
	case bpfOr:
		return a | v
	case bpfAnd:
		return a & v
	case bpfXor:
		return a ^ v
	case bpfLeft:
		return a << (v & 31)
	case bpfRight:
		return a >> (v & 31)
	case bpfNegate:
		return -a
	}
	panic(fmt.Sprintf("operation %#x", operation))
}

func jump(in FilterInstruction, a, v uint32) int {
	var yes bool
	switch in.Op & 0xf0 {
	case bpfAlways:
		return int(in.K)
	case bpfEqual:
		yes = a == v
	case bpfGreater:
		yes = a > v
	case bpfAtLeast:
		yes = a >= v
	case bpfBits:
		yes = a&v != 0
	}
	if yes {
		return int(in.Jt)
	}
	return int(in.Jf)
}
