package monitor

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A checkpoint is one JSON object: its schema, and its content with the SHA-256 of its bytes, so that a cut or a changed one is recognised. It may be as large as all that a gateway is
// to take of memory, so that it is written and read element by element.

// Versions of checkpoints. Those of the version before, which hold no open connections, are restored as well.
const (
	checkpointSchema = "pcapaudit.checkpoint/2"
	schemaBefore     = "pcapaudit.checkpoint/1"
)

// maxCheckpoint is the size of the largest checkpoint, in bytes.
const maxCheckpoint = 256 << 20

// Limits of what is read; each list has one of its own for its elements.
const (
	maxHead    = 1 << 10 // bytes before the content
	maxElement = 1 << 20 // bytes of an element, parts apart
)

// tail is what is behind the content.
const tail = "}\n"

// Encode writes what Restore reads, at most maxCheckpoint bytes. Nothing was written where the error is not that of w.
func (s *Saved) Encode(w io.Writer) error {
	last, err := partOf(s.now)
	if err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	state, err := json.Marshal(&s.state)
	if err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	return seal(w, func(w io.Writer) error {
		pieces := [][]byte{[]byte(`{"parts":[`)}
		for _, p := range s.parts {
			pieces = append(pieces, p.raw, []byte(","))
		}
		if err := write(w, append(pieces, last.raw, []byte(`],"open":[`))...); err != nil {
			return err
		}
		if err := writeOpen(w, s.open); err != nil {
			return err
		}
		return write(w, []byte(`],"state":`), state, []byte("}"))
	})
}

func write(w io.Writer, pieces ...[]byte) error {
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// writeOpen writes the elements of a JSON array.
func writeOpen(w io.Writer, list []openConn) error {
	for i := range list {
		text, err := json.Marshal(&list[i])
		if err != nil {
			return err
		}
		if i > 0 {
			text = slices.Insert(text, 0, ',')
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// seal writes a checkpoint of the content that a function writes, the same one twice: the sum is before it.
func seal(w io.Writer, content func(io.Writer) error) error {
	sum, size := sha256.New(), count(0)
	if err := buffered(io.MultiWriter(sum, &size), content); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	head := fmt.Appendf(nil, "{\"schema\":%q,\"sha256\":%q,\"content\":", checkpointSchema, hex.EncodeToString(sum.Sum(nil)))
	if whole := int64(size) + int64(len(head)+len(tail)); whole > maxCheckpoint {
		return fmt.Errorf("save the state: it has %d MiB, more than the %d that can be restored; shorten the interval", whole>>20, maxCheckpoint>>20)
	}
	return buffered(w, func(w io.Writer) error {
		if err := write(w, head); err != nil {
			return err
		}
		if err := content(w); err != nil {
			return err
		}
		return write(w, []byte(tail))
	})
}

func buffered(w io.Writer, f func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if err := f(b); err != nil {
		return err
	}
	return b.Flush()
}

// count is of bytes written to it.
type count int64

func (n *count) Write(b []byte) (int, error) {
	*n += count(len(b))
	return len(b), nil
}

// unseal finds the content of a checkpoint. It has the sum that is stated: nothing was built of it before.
func unseal(r io.ReaderAt, size int64) (io.Reader, error) {
	if size > maxCheckpoint {
		return nil, fmt.Errorf("it has more than %d MiB", maxCheckpoint>>20)
	}
	d := json.NewDecoder(io.NewSectionReader(r, 0, min(size, maxHead)))
	var words []string
	for range 6 {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("it is damaged or cut short: %w", err)
		}
		words = append(words, fmt.Sprint(t))
	}
	begin, end := d.InputOffset()+1, size-int64(len(tail))
	between, behind := make([]byte, 1), make([]byte, len(tail))
	switch schema := words[2]; {
	case words[0] != "{" || words[1] != "schema" || words[3] != "sha256" || words[5] != "content" || begin > end:
		return nil, errors.New("it is damaged or cut short: it does not begin as a checkpoint")
	case schema != checkpointSchema && schema != schemaBefore:
		return nil, fmt.Errorf("its schema is %.60q, and this version reads %s and %s", schema, checkpointSchema, schemaBefore)
	}
	for at, b := range map[int64][]byte{begin - 1: between, end: behind} {
		if _, err := r.ReadAt(b, at); err != nil {
			return nil, fmt.Errorf("it is damaged or cut short: %w", err)
		}
	}
	if string(between) != ":" || string(behind) != tail {
		return nil, errors.New("it is damaged or cut short: it does not end as a checkpoint")
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, begin, end-begin)); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != words[4] {
		return nil, errors.New("it is damaged: its content does not have the sum that it states")
	}
	return io.NewSectionReader(r, begin, end-begin), nil
}

// decode reads the content. No list is longer than its limit, whatever is in the file.
func (c *content) decode(r io.Reader) error {
	d := json.NewDecoder(r)
	s := &c.state
	state := fields{"at": one(&s.At), "interval": one(&s.Interval), "from": one(&s.From), "until": one(&s.Until), "since": one(&s.Since), "unsaved": one(&s.Unsaved),
		"blind": upTo(&s.Blind, maxBlindSpans+maxWatched, maxElement), "findings": upTo(&s.Stories, maxStories, maxElement), "expectations": upTo(&s.Uses, maxUses, maxElement),
		"names": upTo(&s.Names, maxNames, maxElement), "controls": upTo(&s.Controls, maxControls, maxElement), "ports": upTo(&s.Ports, maxPorts, maxElement)}
	if err := (fields{"parts": upTo(&c.parts, maxParts, maxCheckpoint), "open": upTo(&c.open, maxOpen, maxElement), "state": state.decode}).decode(d); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows its end")
	}
	return nil
}

// fields are those of a JSON object, by name, with what reads them.
type fields map[string]func(*json.Decoder) error

func (f fields) decode(d *json.Decoder) error {
	if err := delimiter(d, '{'); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		read := f[key]
		if read == nil {
			return fmt.Errorf("unknown field %.60q", key)
		}
		if err := read(d); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return delimiter(d, '}')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%.60v where %v should be", t, want)
	}
	return err
}

// one reads a number.
func one[T int64 | uint64](into *T) func(*json.Decoder) error {
	return func(d *json.Decoder) error { return d.Decode(into) }
}

// upTo reads a list, or null, of at most that many elements, each of at most size bytes.
func upTo[T any](into *[]T, most, size int) func(*json.Decoder) error {
	return func(d *json.Decoder) error {
		t, err := d.Token()
		if err != nil || t == nil {
			return err
		}
		if t != json.Delim('[') {
			return fmt.Errorf("%.60v where a list should be", t)
		}
		for d.More() {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return err
			}
			if len(*into) == most || len(raw) > size {
				return fmt.Errorf("more than %d elements, or one of more than %d KiB", most, size>>10)
			}
			var v T
			if err := strict(raw, &v); err != nil {
				return err
			}
			*into = append(*into, v)
		}
		return delimiter(d, ']')
	}
}

// strict reads one JSON value of the keys that v has, and nothing behind it.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows its end")
	}
	return nil
}
