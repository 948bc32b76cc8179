package main

import (
	"bytes"
	"testing"
)

func TestPages(t *testing.T) {
	var p pages
	var want, got bytes.Buffer
	for i := range 300 {
		text := bytes.Repeat([]byte{byte(i)}, i*i)
		want.Write(text)
		if n, err := p.Write(text); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if n, err := p.WriteTo(&got); err != nil || n != int64(want.Len()) || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d of %d bytes, or others (%v)", n, want.Len(), err)
	}
}
