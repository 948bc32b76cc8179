package inspect

import (
	"golang.org/x/net/http2/hpack"

	"pcapaudit/capture/flow"
)

// RFC 9113: sections 3.4, 4.1, 6 and 6.5.2.
const (
	http2Preface   = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	http2Head      = 9
	http2MaxFrame  = 1 << 14 // payload, before the settings allow more
	http2MaxFrames = 64      // before the first HEADERS
	http2MaxBlock  = 4 << 10 // bytes of the header block that are read: the pseudo-headers come first
	http2Headers   = 1
	http2Padded    = 0x8
	http2Priority  = 0x20
)

func http2First(_ *conversation, _ int, data []byte) answer {
	n := min(len(data), len(http2Preface))
	switch {
	case string(data[:n]) != http2Preface[:n]:
		return no
	case n < len(http2Preface):
		return more
	}
	return yes
}

// http2Dialogue reads the frames of the side that begins with prior knowledge, up to its first HEADERS.
type http2Dialogue struct {
	known  bool
	client int
	frames int
}

func (d *http2Dialogue) read(c *conversation, from int, data []byte) (int, step) {
	if !d.known {
		d.known, d.client = true, from
		return len(http2Preface), goOn
	}
	if from != d.client {
		return len(data), goOn
	}
	if len(data) < http2Head {
		return 0, goOn
	}
	length, kind, flags := int(data[0])<<16|int(data[1])<<8|int(data[2]), data[3], data[4]
	if d.frames++; length > http2MaxFrame || d.frames > http2MaxFrames {
		return len(data), done
	}
	if kind != http2Headers {
		return http2Head + length, goOn
	}
	block := data[http2Head:]
	if len(block) < min(length, http2MaxBlock) {
		d.frames--
		return 0, goOn
	}
	c.clear("HTTP/2 request in clear")
	c.claim(flow.NameHTTP, hostOf(authority(block[:min(length, http2MaxBlock)], length, flags)))
	return len(data), done
}

// authority is the ":authority", else the "host", of a HEADERS frame's payload of which the beginning is at hand; nil where it has none.
func authority(payload []byte, length int, flags byte) []byte {
	skip, padding := 0, 0
	if flags&http2Padded != 0 && len(payload) > 0 {
		skip, padding = 1, int(payload[0])
	}
	if flags&http2Priority != 0 {
		skip += 5
	}
	end := min(length-padding, len(payload))
	if skip > end {
		return nil
	}
	var host []byte
	found := false
	table := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":authority" && !found || f.Name == "host" && host == nil {
			host, found = []byte(f.Value), found || f.Name == ":authority"
		}
	})
	table.SetMaxStringLength(1024)
	_, _ = table.Write(payload[skip:end]) // what came before an error counts
	return host
}
