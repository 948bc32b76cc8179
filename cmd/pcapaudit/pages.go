package main

import "io"

// pages are a text in memory that grows without being copied: the report of a large audit, in one buffer, took twice its size while it was written.
type pages [][]byte

const pageSize = 1 << 20

func (p *pages) Write(text []byte) (int, error) {
	n := len(text)
	for len(text) > 0 {
		last := len(*p) - 1
		if last < 0 || len((*p)[last]) == cap((*p)[last]) {
			size := min(pageSize, max(len(text), 1<<12<<min(2*len(*p), 8)))
			*p, last = append(*p, make([]byte, 0, size)), last+1
		}
		page := (*p)[last]
		room := min(len(text), cap(page)-len(page))
		(*p)[last], text = append(page, text[:room]...), text[room:]
	}
	return n, nil
}

// WriteTo writes the text to w, up to the first error.
func (p *pages) WriteTo(w io.Writer) (written int64, err error) {
	for _, page := range *p {
		n, err := w.Write(page)
		if written += int64(n); err != nil {
			return written, err
		}
	}
	return written, nil
}
