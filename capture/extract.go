package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pcapaudit/capture/flow"
)

// MaxWanted bounds ExtractConfig.Want: five connections for each of 65536 findings.
const MaxWanted = 5 << 16

// Wanted asks for the packets of a connection.
type Wanted struct {
	ID       flow.ConnID
	Comments []string // put on each of its packets; control characters are replaced, and what is longer than maxText characters is cut
	Limit    int      // packets of it that are written, the first ones; 0: all
}

// ExtractConfig says which packets are written. The same connection may be wanted more than once, for different reasons: a packet is
// written once, with the comments of all that want it.
type ExtractConfig struct {
	First      Config  // of the first pass. Inputs, Stdin, Hash, Emit and Learn are not looked at
	Read       []Input // Result.Inputs of the first pass: read again, in that order, as far as they were read
	Want       []Wanted
	Payload    bool        // whole packets as they were captured; else they end behind the headers of the connection that is wanted
	Pseudonyms *Pseudonyms // for addresses in packets and for names of interfaces and inputs, not in Comments; leaves out the captures' own comments; nil: all stays as it is
	Out        io.Writer   // takes a pcapng file
}

// ExtractResult says what was written.
type ExtractResult struct {
	Packets     uint64
	Connections int    // of which packets were written
	Limited     int    // of those, the ones of which Wanted.Limit left packets out
	Shortened   uint64 // packets that are shorter than they were captured
	Lost        uint64 // packets that belong to a connection and were not written; see maxHeld, and rewriter

	// Comments that the packets written had in their capture: written with them, of those the ones that are cut, and left out for maxOriginals,
	// maxOriginalBytes or Pseudonyms.
	Comments, CommentsCut, CommentsLeft uint64
}

// Reasons why nothing can be extracted: errors.Is finds them in what Extract and Rereadable return.
var (
	ErrOnePass           = errors.New("it can be read once only; give a capture file")
	ErrPseudonymsPayload = errors.New("payload holds addresses and names that cannot be replaced: leave out the payload or the pseudonyms")
)

// ChangedError says that an input is not what it was in the first pass: packets from it would not be those that were judged.
type ChangedError struct {
	Name string
	What string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("reading %s again: it has changed since it was audited: %s; audit it again", e.Name, e.What)
}

// Rereadable says whether the arguments of Config.Inputs allow a second pass; the error is of the kind ErrOnePass.
func Rereadable(args []string) error {
	for _, arg := range args {
		stat, err := os.Stat(arg)
		if arg == "-" || err == nil && !stat.Mode().IsRegular() && !stat.IsDir() {
			return fmt.Errorf("reading %s again: %w", arg, ErrOnePass)
		}
	}
	return nil
}

// Extract is a second pass over inputs: it tracks connections as Run did and writes the packets of those that are wanted, in the order of
// reading, with their times, interfaces, link types and comments. It writes packets that Run counted in the connection, with fragments and what
// carried them, and the ICMP errors that quote it. What was written is worth nothing where the error is not nil: a *ChangedError may be
// found at the end only, by the hash.
func Extract(ctx context.Context, c ExtractConfig) (ExtractResult, error) {
	x, err := newExtraction(&c)
	if err != nil {
		return ExtractResult{}, err
	}
	first := c.First
	first.Inputs, first.Stdin, first.Emit, first.Hash, first.Workers = nil, nil, nil, false, 1
	first.Learn.Name, first.Learn.Announcement = nil, nil
	for i := range c.Read {
		first.Inputs = append(first.Inputs, c.Read[i].Name)
		first.Hash = first.Hash || c.Read[i].SHA256 != ""
	}
	if err := Rereadable(first.Inputs); err != nil {
		return ExtractResult{}, err
	}
	r, err := newRun(ctx, &first)
	if err != nil {
		return ExtractResult{}, err
	}
	if err := sameFiles(c.Read, r.in.list); err != nil {
		r.finish(nil) // nothing was read
		return ExtractResult{}, err
	}
	r.extract = x
	x.start(r)
	result, err := r.finish(r.read(ctx))
	switch {
	case err != nil:
		return ExtractResult{}, err
	case result.Interrupted:
		return ExtractResult{}, fmt.Errorf("reading again: %w", context.Cause(ctx))
	}
	if err := sameContents(c.Read, result.Inputs); err != nil {
		return ExtractResult{}, err
	}
	return x.end(r)
}

// sameFiles compares what is known before reading.
func sameFiles(then []Input, now []*Input) error {
	for i := range then {
		switch size := now[i].Size; {
		case now[i].Name != then[i].Name:
			return &ChangedError{then[i].Name, "its packets do not come at the same time as before"}
		case size != then[i].Size:
			return &ChangedError{then[i].Name, fmt.Sprintf("it has %d bytes, then it had %d", size, then[i].Size)}
		}
	}
	return nil
}

// sameContents compares what is known after reading.
func sameContents(then, now []Input) error {
	for i := range then {
		t, n := &then[i], &now[i]
		switch {
		case t.SHA256 != "" && n.SHA256 != t.SHA256:
			return &ChangedError{t.Name, fmt.Sprintf("its SHA-256 is %q, then it was %q", n.SHA256, t.SHA256)}
		case n.Packets < t.Packets || n.Packets > t.Packets && t.State != InputUnfinished:
			return &ChangedError{t.Name, fmt.Sprintf("it has %d packets, then it had %d", n.Packets, t.Packets)}
		}
	}
	return nil
}
