package capture

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A packet's comments in its capture are anybody's words. Behind ours each is written as one line that begins with originalPrefix, as none of ours
// does: whoever wrote the capture cannot make one that passes for ours. They are no payload, and stay where headers alone are written. Pseudonyms
// leave them out: they are free text, in which addresses and names cannot be found for certain.
const (
	originalPrefix   = "original comment: "
	maxOriginals     = 16      // of one packet
	maxOriginalBytes = 4 << 10 // of their text, of one packet
)

// originals are the comments that a packet had, as they are written: last, where some are not whole, one of ours that says so.
type originals struct {
	list      []string
	bytes     int    // of list
	kept, cut uint64 // cut ones are kept ones
	left      uint64
}

// originals gives the comments of a record of the batch that is being tracked; nil: it has none.
func (x *extraction) originals(r *run, rec *record) *originals {
	if rec.commented == 0 {
		return nil
	}
	return x.readOriginals(r, rec)
}

func (x *extraction) readOriginals(r *run, rec *record) *originals {
	o := new(originals)
	options := commentsOf(r.in, rec)
	scratch := ngReader{in: new(Input), swap: options.swap} // its counts mean nothing
	room := maxOriginalBytes
	if x.rewrite != nil {
		room = 0
	}
	for code, value, list, ok := scratch.option(options.bytes); ok; code, value, list, ok = scratch.option(list) {
		if code == optionComment {
			room -= o.add(value, room)
		}
	}
	if o.left+o.cut > 0 {
		why := ""
		if x.rewrite != nil {
			why = ": they may hold addresses and names"
		}
		o.append(fmt.Sprintf("comments of the capture left out: %d, cut: %d%s", o.left, o.cut, why))
	}
	return o
}

// commentsOf finds the options of a record that has comments.
func commentsOf(in *inputs, rec *record) optionList {
	for _, s := range in.active {
		if lists := s.pcapng.commented; s.index == rec.file && int(rec.commented) <= len(lists) {
			return lists[rec.commented-1]
		}
	}
	return optionList{}
}

// add takes a comment, at most room bytes of it, and gives how many it took.
func (o *originals) add(value []byte, room int) int {
	if o.kept == maxOriginals || room <= 0 {
		o.left++
		return 0
	}
	text, whole := cleanComment(value, room)
	o.kept++
	size := len(text)
	if !whole {
		o.cut++
		text, size = text+"…", room
	}
	o.append(originalPrefix + text)
	return size
}

func (o *originals) append(comment string) {
	o.list = append(o.list, comment)
	o.bytes += len(comment)
}

// cleanComment does as cleanText, up to a number of bytes that are given; zero bytes end a comment only where nothing follows them.
func cleanComment(b []byte, limit int) (text string, whole bool) {
	var s strings.Builder
	for b = bytes.TrimRight(b, "\x00"); len(b) > 0; {
		r, size := utf8.DecodeRune(b)
		r = shown(r)
		if s.Len()+utf8.RuneLen(r) > limit {
			return s.String(), false
		}
		s.WriteRune(r)
		b = b[size:]
	}
	return s.String(), true
}

func (r *ExtractResult) addComments(o *originals) {
	r.Comments += o.kept
	r.CommentsCut += o.cut
	r.CommentsLeft += o.left
}
