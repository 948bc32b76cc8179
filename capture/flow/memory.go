package flow

import "unsafe"

// minMapped is the size from which memory is mapped: below it a Go allocation is cheaper than the system call.
const minMapped = 1 << 20

// memory is a slice of T, all zero at first, that lives outside the Go heap where the system allows it. T holds no pointers.
type memory[T any] struct {
	of     []T
	mapped []byte
}

func newMemory[T any](n int) memory[T] {
	var zero T
	size := n * int(unsafe.Sizeof(zero))
	if size >= minMapped {
		if mem := mapMemory(size); mem != nil {
			return memory[T]{of: unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), n), mapped: mem}
		}
	}
	return memory[T]{of: make([]T, n)}
}

// free gives the memory back; the slice must not be used any more.
func (m *memory[T]) free() {
	if m.mapped != nil {
		unmapMemory(m.mapped)
	}
	*m = memory[T]{}
}
