package reports

import (
	"encoding/json"
	"io"
)

// indented writes v as JSON with an element a line, one space a level, and a final newline: the bytes of a json.Encoder with SetIndent("", " "),
// which spends three times as long, and holds the text twice, because it checks its own JSON again as it indents it.
func indented(w io.Writer, v any) error {
	compact, err := json.Marshal(v)
	if err != nil {
		return err
	}
	out := indenter{w: w, buf: make([]byte, 0, indentBuffer)}
	out.text(compact)
	out.buf = append(out.buf, '\n')
	return out.flush()
}

// indentBuffer is the text that an indenter gathers before it writes.
const indentBuffer = 1 << 16

// indenter lays out what json.Marshal gave: valid and without space between elements.
type indenter struct {
	w     io.Writer
	buf   []byte
	depth int
	err   error
}

func (d *indenter) text(compact []byte) {
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := stringEnd(compact, i)
			d.buf = append(d.buf, compact[i:end]...)
			i = end - 1
		case '{', '[':
			if closing := compact[i+1]; closing == '}' || closing == ']' {
				d.buf = append(d.buf, c, closing)
				i++
				continue
			}
			d.depth++
			d.line(c)
		case '}', ']':
			d.depth--
			d.line()
			d.buf = append(d.buf, c)
		case ',':
			d.line(c)
		case ':':
			d.buf = append(d.buf, ':', ' ')
		default:
			d.buf = append(d.buf, c)
		}
	}
}

// stringEnd is the index after the string that begins at i.
func stringEnd(compact []byte, i int) int {
	for i++; compact[i] != '"'; i++ {
		if compact[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// line ends a line after c and indents the next.
func (d *indenter) line(c ...byte) {
	d.buf = append(append(d.buf, c...), '\n')
	for range d.depth {
		d.buf = append(d.buf, ' ')
	}
	if len(d.buf) > indentBuffer/2 {
		d.err = d.flush()
		d.buf = d.buf[:0]
	}
}

func (d *indenter) flush() error {
	if d.err == nil {
		_, d.err = d.w.Write(d.buf)
	}
	return d.err
}
