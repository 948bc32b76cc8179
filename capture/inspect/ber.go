package inspect

// berElement is the head of an element in the Basic Encoding Rules (X.690), with a tag of one byte and a definite length.
type berElement struct {
	tag    byte
	head   int // bytes of tag and length
	length int // bytes of the contents, whether they are there or not
}

func (e berElement) size() int { return e.head + e.length }

// berHead reads the head of an element. It answers more where bytes are missing, and no where these cannot be one: lengths have at most 4 bytes, and 2^24 of contents.
func berHead(b []byte) (berElement, answer) {
	if len(b) < 1 {
		return berElement{}, more
	}
	if b[0]&0x1f == 0x1f {
		return berElement{}, no
	}
	if len(b) < 2 {
		return berElement{}, more
	}
	n := int(b[1])
	if n < 0x80 {
		return berElement{b[0], 2, n}, yes
	}
	n &= 0x7f
	if n == 0 || n > 4 {
		return berElement{}, no
	}
	if len(b) < 2+n {
		return berElement{}, more
	}
	length := 0
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int(c)
	}
	if length > 1<<24 {
		return berElement{}, no
	}
	return berElement{b[0], 2 + n, length}, yes
}

// berTake splits an element with a tag off; contents are cut where b ends. It returns false where there is none.
func berTake(b []byte, tag byte) (contents, rest []byte, ok bool) {
	e, is := berHead(b)
	if is != yes || e.tag != tag {
		return nil, b, false
	}
	b = b[e.head:]
	n := min(e.length, len(b))
	return b[:n], b[n:], true
}

// berNumber splits an INTEGER or ENUMERATED off that is not negative and has at most 4 bytes.
func berNumber(b []byte, tag byte) (n uint32, rest []byte, ok bool) {
	contents, rest, ok := berTake(b, tag)
	if !ok || len(contents) == 0 || len(contents) > 4 || contents[0] >= 0x80 {
		return 0, b, false
	}
	for _, c := range contents {
		n = n<<8 | uint32(c)
	}
	return n, rest, true
}
