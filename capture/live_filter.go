package capture

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Classic BPF as Linux has it (Documentation/networking/filter.rst): an instruction's code is its class with size and mode, operation and
// operand, or what is returned.
const (
	bpfLoad, bpfLoadX, bpfStore, bpfStoreX, bpfALU, bpfJump, bpfReturn, bpfMisc = 0, 1, 2, 3, 4, 5, 6, 7

	bpfWord, bpfHalf, bpfByte                                            = 0x00, 0x08, 0x10
	bpfImmediate, bpfAbsolute, bpfIndirect, bpfMemory, bpfLength, bpfMSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xa0

	bpfAdd, bpfSub, bpfMul, bpfDiv, bpfOr, bpfAnd, bpfLeft, bpfRight, bpfNegate, bpfMod, bpfXor = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0
	bpfAlways, bpfEqual, bpfGreater, bpfAtLeast, bpfBits                                        = 0x00, 0x10, 0x20, 0x30, 0x40

	bpfK, bpfX, bpfA         = 0x00, 0x08, 0x10
	bpfToX, bpfFromX         = 0x00, 0x80
	bpfWords                 = 16          // of a program's memory
	bpfAncillary             = 0xffff_f000 // first offset of what the kernel knows of a packet beside its bytes
	bpfProtocol, bpfHardware = bpfAncillary + 0, bpfAncillary + 28
	bpfAncillaryEnd          = bpfAncillary + 64 // the offsets are multiples of 4
)

const maxFilter = 4096 // instructions that the kernel takes

// ParseFilterProgram reads a classic BPF program as "tcpdump -ddd" prints it: a line with the number of instructions, then one for each with code,
// jt, jf and k in decimal. What it accepts the kernel does. The link type that the program was made for is not in it.
func ParseFilterProgram(text string) ([]FilterInstruction, error) {
	lines := strings.Split(strings.TrimRight(text, " \t\r\n"), "\n")
	count, err := strconv.ParseUint(strings.TrimSpace(lines[0]), 10, 32)
	switch {
	case err != nil:
		return nil, filterError(1, fmt.Errorf("%.40q is not a number of instructions: give the output of tcpdump -ddd", lines[0]))
	case count == 0 || count > maxFilter:
		return nil, filterError(1, fmt.Errorf("%d instructions: a program has 1 to %d", count, maxFilter))
	case count != uint64(len(lines)-1):
		return nil, filterError(1, fmt.Errorf("%d instructions announced, %d lines follow", count, len(lines)-1))
	}
	program := make([]FilterInstruction, count)
	for i, line := range lines[1:] {
		if program[i], err = parseInstruction(line); err != nil {
			return nil, filterError(i+2, err)
		}
	}
	if i, err := checkProgram(program); err != nil {
		return nil, filterError(i+2, err)
	}
	return program, nil
}

func filterError(line int, err error) error {
	return fmt.Errorf("reading a filter program: line %d: %w", line, err)
}

func parseInstruction(line string) (in FilterInstruction, err error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return in, fmt.Errorf("%.40q is not an instruction: code, jt, jf and k", line)
	}
	var values [4]uint64
	for i, bits := range [...]int{16, 8, 8, 32} {
		if values[i], err = strconv.ParseUint(fields[i], 10, bits); err != nil {
			return in, fmt.Errorf("%.40q is not a number of %d bits", fields[i], bits)
		}
	}
	return FilterInstruction{uint16(values[0]), uint8(values[1]), uint8(values[2]), uint32(values[3])}, nil
}

// checkProgram finds what the kernel would refuse, and in which instruction (net/core/filter.c, bpf_check_classic).
func checkProgram(program []FilterInstruction) (int, error) {
	for i, in := range program {
		if err := checkInstruction(in, len(program)-i-1); err != nil {
			return i, err
		}
	}
	last := len(program) - 1
	if op := program[last].Op; op != bpfReturn|bpfK && op != bpfReturn|bpfA {
		return last, errors.New("the program does not end with a return")
	}
	return checkMemory(program)
}

// checkInstruction is for one with that many behind it.
func checkInstruction(in FilterInstruction, behind int) error {
	if !knownInstruction(in.Op) {
		return fmt.Errorf("code %d is none of an instruction", in.Op)
	}
	switch in.Op {
	case bpfALU | bpfDiv | bpfK, bpfALU | bpfMod | bpfK:
		if in.K == 0 {
			return errors.New("division by 0")
		}
	case bpfALU | bpfLeft | bpfK, bpfALU | bpfRight | bpfK:
		if in.K >= 32 {
			return fmt.Errorf("shift by %d bits of 32", in.K)
		}
	case bpfLoad | bpfMemory, bpfLoadX | bpfMemory, bpfStore, bpfStoreX:
		if in.K >= bpfWords {
			return fmt.Errorf("memory word %d of %d", in.K, bpfWords)
		}
	case bpfLoad | bpfWord | bpfAbsolute, bpfLoad | bpfHalf | bpfAbsolute, bpfLoad | bpfByte | bpfAbsolute:
		if in.K >= bpfAncillary && (in.K >= bpfAncillaryEnd || in.K%4 != 0) {
			return fmt.Errorf("load at offset %d: nothing is there", int32(in.K))
		}
	case bpfJump | bpfAlways:
		if in.K >= uint32(behind) {
			return fmt.Errorf("jump over %d instructions, %d follow", in.K, behind)
		}
	default:
		if in.Op&7 == bpfJump && max(int(in.Jt), int(in.Jf)) >= behind {
			return fmt.Errorf("jump over %d instructions, %d follow", max(in.Jt, in.Jf), behind)
		}
	}
	return nil
}

func knownInstruction(op uint16) bool {
	if op > 0xff {
		return false
	}
	switch size, mode, operation := op&0x18, op&0xe0, op&0xf0; op & 7 {
	case bpfLoad:
		switch mode {
		case bpfAbsolute, bpfIndirect:
			return size <= bpfByte
		case bpfImmediate, bpfMemory, bpfLength:
			return size == bpfWord
		}
		return false
	case bpfLoadX:
		return size == bpfWord && (mode == bpfImmediate || mode == bpfMemory || mode == bpfLength) || size == bpfByte && mode == bpfMSH
	case bpfStore, bpfStoreX:
		return op < 8
	case bpfALU:
		return operation <= bpfXor && (operation != bpfNegate || op&bpfX == 0)
	case bpfJump:
		return operation <= bpfBits && (operation != bpfAlways || op&bpfX == 0)
	case bpfReturn:
		return op == bpfReturn|bpfK || op == bpfReturn|bpfA
	}
	return op == bpfMisc|bpfToX || op == bpfMisc|bpfFromX
}

// checkMemory finds the first word of memory that is read where no instruction can have stored one on some way there. Jumps go forward only.
func checkMemory(program []FilterInstruction) (int, error) {
	const all = 1<<bpfWords - 1
	written := make([]uint16, len(program)) // by every jump to an instruction
	for i := range written {
		written[i] = all
	}
	now := uint16(0)
	for i, in := range program {
		now &= written[i]
		switch {
		case in.Op == bpfStore || in.Op == bpfStoreX:
			now |= 1 << in.K
		case in.Op == bpfLoad|bpfMemory || in.Op == bpfLoadX|bpfMemory:
			if now>>in.K&1 == 0 {
				return i, fmt.Errorf("memory word %d is read and may not have been stored", in.K)
			}
		case in.Op == bpfJump|bpfAlways:
			written[i+1+int(in.K)] &= now
			now = all
		case in.Op&7 == bpfJump:
			written[i+1+int(in.Jt)] &= now
			written[i+1+int(in.Jf)] &= now
			now = all
		}
	}
	return 0, nil
}
