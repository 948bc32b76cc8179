package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxSkipped bounds how many skipped files are named.
const maxSkipped = 32

// InputError says that an input cannot be read as a capture: not one packet of it could be.
type InputError struct {
	Name string
	Err  error
}

func (e *InputError) Error() string { return fmt.Sprintf("reading %s: %v", e.Name, e.Err) }
func (e *InputError) Unwrap() error { return e.Err }

// openInputs takes the CAPTURE arguments: files, "-" for stdin, directories (their regular files that are captures, not those of directories
// below) and patterns. An argument that cannot be read is an *InputError; one that is given twice, or none that is a capture, another error.
func openInputs(args []string, stdin io.Reader, o inputOptions) (*inputs, error) {
	if len(args) == 0 {
		return nil, errors.New("reading inputs: none is given")
	}
	in := &inputs{options: o}
	found, err := in.expand(args, stdin)
	if err != nil {
		return nil, err
	}
	if err := twice(found); err != nil {
		return nil, err
	}
	if len(found) > maxInputs {
		return nil, fmt.Errorf("reading inputs: %d are more than %d", len(found), maxInputs)
	}
	if err := in.probe(found); err != nil {
		in.close()
		return nil, err
	}
	if len(in.waiting) == 0 {
		return nil, &InputError{strings.Join(args, " "), fmt.Errorf("none of the %d files found is a capture; first: %s", in.left, in.skipped[0])}
	}
	slices.SortStableFunc(in.waiting, func(a, b *source) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	for i, s := range in.waiting {
		s.index = uint16(i)
		in.list = append(in.list, s.in)
		for j := range s.ready() {
			s.pend.recs[j].file = s.index
		}
		if s.stat == nil {
			in.size = -1
		} else if in.size >= 0 {
			in.size += s.stat.Size()
		}
	}
	if s := in.waiting[0]; len(in.list) == 1 && !s.closed && s.pend == nil { // read without merging
		in.active, in.waiting = in.waiting, nil
	}
	return in, nil
}

// ready is the number of packets that are read and not handed out.
func (s *source) ready() int {
	if s.pend == nil {
		return 0
	}
	return s.pend.n - s.next
}

// candidate is an argument, or a file that one has led to.
type candidate struct {
	source *source
	named  bool        // given by its own name: it has to be a capture
	stat   os.FileInfo // nil: not known
}

// expand leads from the arguments to files. Those that were not named themselves may be gone by now (a ring of files is turned on while it is read).
func (in *inputs) expand(args []string, stdin io.Reader) ([]candidate, error) {
	var found []candidate
	for _, arg := range args {
		if arg == "-" {
			found = append(found, standardInput(stdin))
			continue
		}
		paths, named, err := resolve(arg)
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, path := range paths {
			stat, err := os.Stat(path)
			switch {
			case err != nil && (named || !errors.Is(err, fs.ErrNotExist)):
				return nil, &InputError{path, plainCause(err)}
			case err != nil:
				in.skip(path, plainCause(err))
			case named || stat.Mode().IsRegular():
				found = append(found, newCandidate(path, named, stat))
			}
		}
		if len(found) == before {
			return nil, &InputError{arg, errors.New("no files there")}
		}
	}
	return found, nil
}

// resolve gives the paths that an argument stands for; named: it is a path itself.
func resolve(arg string) (paths []string, named bool, err error) {
	stat, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		if paths, err = filepath.Glob(arg); err != nil {
			return nil, false, fmt.Errorf("reading %s: %w", arg, err)
		}
		return paths, false, nil
	case err != nil:
		return nil, false, &InputError{arg, plainCause(err)}
	case !stat.IsDir():
		return []string{arg}, true, nil
	}
	entries, err := os.ReadDir(arg)
	if err != nil {
		return nil, false, &InputError{arg, plainCause(err)}
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(arg, e.Name()))
	}
	return paths, false, nil
}

func newCandidate(path string, named bool, stat os.FileInfo) candidate {
	s := &source{in: &Input{Name: path}, path: path}
	if stat.Mode().IsRegular() {
		s.stat = stat
	}
	return candidate{s, named, stat}
}

func standardInput(stdin io.Reader) candidate {
	c := candidate{source: &source{in: &Input{Name: "-"}, stream: stdin}, named: true}
	if f, ok := stdin.(*os.File); ok {
		c.stat, _ = f.Stat()
	}
	return c
}

// plainCause takes the path off an error that will be shown with it.
func plainCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// twice finds a file that is given twice, by whatever names.
func twice(found []candidate) error {
	type rough struct {
		size  int64
		mtime time.Time
	}
	like := map[rough][]candidate{}
	streams := 0
	for _, c := range found {
		if c.source.stream != nil {
			if streams++; streams > 1 {
				return errors.New("reading -: standard input is given twice")
			}
		}
		if c.stat == nil {
			continue
		}
		k := rough{c.stat.Size(), c.stat.ModTime()}
		for _, other := range like[k] {
			if os.SameFile(c.stat, other.stat) {
				return fmt.Errorf("reading %s: the same file as %s; give it once", c.source.in.Name, other.source.in.Name)
			}
		}
		like[k] = append(like[k], c)
	}
	return nil
}

// probe opens every candidate and notes the time of its first packet. Regular files are closed again where there are several.
func (in *inputs) probe(found []candidate) error {
	var scratch recordBatch
	for _, c := range found {
		s := c.source
		alone := len(found) == 1
		options, size := in.options, windowSize
		if s.stat != nil && !alone {
			options, size = inputOptions{expanded: options.expanded}, probeSize
		}
		if err := s.open(options, size); err != nil {
			if !c.named && (errors.Is(err, errNotCapture) || errors.Is(err, fs.ErrNotExist)) {
				in.skip(s.in.Name, plainCause(err))
				continue
			}
			return &InputError{s.in.Name, plainCause(err)}
		}
		in.waiting = append(in.waiting, s)
		if alone {
			return nil
		}
		b := &scratch
		if s.stat == nil {
			b = new(recordBatch)
			s.pend = b
		}
		s.fill(b)
		s.first = math.MaxInt64
		for _, r := range b.recs[:b.n] {
			if !r.badTime {
				s.first = r.time
				break
			}
		}
		if s.stat != nil {
			if !s.ended {
				s.release(false)
			}
			*s.in = Input{Name: s.in.Name, Size: s.stat.Size()}
			s.closed = true
		}
	}
	return nil
}

func (in *inputs) skip(name string, err error) {
	if in.left++; len(in.skipped) < maxSkipped {
		in.skipped = append(in.skipped, fmt.Sprintf("%s: %v", name, err))
	}
}
