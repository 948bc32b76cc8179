package capture

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// Config says what a run reads and who takes the connections.
type Config struct {
	Inputs         []string                // files, directories, patterns, or "-"
	Stdin          io.Reader               // what "-" reads
	Hash           bool                    // SHA-256 of every input
	Filter         *flow.Filter            // which packets are looked at, compiled; nil: all
	Key            flow.Key                // what besides ends and protocol tells connections apart
	Dedup          bool                    // count identical copies of packets as such, and not in connections
	TunnelPorts    []TunnelPort            // beside the default ones, which they may change
	MaxConnections int                     // open at once; 0 means flow.DefaultMaxConnections
	Workers        int                     // more than 1: Emit and Learn are called from a goroutine of their own, in the same order, all before Run returns; else from that of Run
	Emit           func(*flow.Conn)        // called once for each connection; it and its Facts are valid during the call; nil: they are only counted
	Young          func(*flow.Conn)        // called for open connections, only of Live; see flow.Options.Young
	Learn          inspect.Learn           // takes names and announced ports as they are seen, before any connection that begins later is emitted
	Progress       func(done, total int64) // stored bytes of the inputs, about once in progressStep; total is -1 where it is not known; nil: no reports
}

// progressStep is the captured bytes between two calls of Config.Progress.
const progressStep = 1 << 20

// run is one pass over the inputs.
type run struct {
	in        *inputs
	table     *flow.Table
	decoder   *decoder
	inspector *inspect.Inspector
	inspected int // packets of the batch
	records   recordBatch
	packets   decoded
	result    *Result
	extract   *extraction // nil: the packets are not written
	progress  func(done, total int64)
	sinceTold int
}

// Run reads all inputs once, in time order, tracks connections and emits each once, in an order that depends on the packets alone.
// When ctx is done it stops reading, and what was read is the result. The error is that of inputs that cannot be opened (an *InputError,
// without result) or read as one sequence, or of a ledger that does not balance, which is a defect of this program. A damaged input is no error: its Input says where it ends.
func Run(ctx context.Context, c Config) (*Result, error) {
	if c.Workers > 1 {
		defer c.beside()()
	}
	r, err := newRun(ctx, &c)
	if err != nil {
		return nil, err
	}
	return r.finish(r.read(ctx))
}

// newRun opens the inputs.
func newRun(ctx context.Context, c *Config) (*run, error) {
	options := inputOptions{hash: c.Hash, learn: c.Learn.Name}
	if ctx.Err() == nil {
		options.stop = ctx.Done()
	}
	in, err := openInputs(c.Inputs, c.Stdin, options)
	if err != nil {
		return nil, err
	}
	return newTracker(in, c), nil
}

// newTracker makes what the packets of the inputs go through.
func newTracker(in *inputs, c *Config) *run {
	r := &run{in: in, result: new(Result), progress: c.Progress}
	r.table = flow.NewTable(flow.Options{MaxConnections: c.MaxConnections, Key: c.Key, Seed: seed(), Check: r.sound, Emit: r.emit(c.Emit),
		Ending: r.ending, Young: c.Young})
	r.inspector = inspect.New(r.table, c.Learn)
	r.decoder = newDecoder(r.table, &r.result.Ledger)
	r.decoder.ports.add(c.TunnelPorts)
	r.decoder.filter = c.Filter
	if c.Key&flow.KeyInterface != 0 {
		r.decoder.interfaceName = in.interfaceName
	}
	if c.Dedup {
		r.decoder.copies = &copies{seed: maphash.MakeSeed()}
	}
	return r
}

// finish lets go of everything and checks the ledgers; readErr is that of read.
func (r *run) finish(readErr error) (*Result, error) {
	r.in.close()
	r.table.Close()
	r.result.Inspection = r.inspector.Counters()
	r.result.finish(r.in, r.table.Counters())
	return r.result, errors.Join(readErr, r.result.Balanced())
}

// seed keys the table's hash; nothing in the output depends on it.
func seed() [2]uint64 {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return [2]uint64{binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:])}
}

func (r *run) emit(take func(*flow.Conn)) func(*flow.Conn) {
	return func(c *flow.Conn) {
		r.result.Outcomes[c.Outcome]++
		if take != nil {
			take(c)
		}
	}
}

// read is the packet loop.
func (r *run) read(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			r.stop()
			return nil
		}
		err := r.in.fill(&r.records)
		r.track()
		if r.extract != nil && r.extract.err != nil {
			r.stop()
			return r.extract.err
		}
		if err == io.EOF {
			r.result.Interrupted = ctx.Err() != nil
			return nil
		}
		if err != nil {
			r.stop()
			return fmt.Errorf("reading packets: %w", err)
		}
		r.tell()
	}
}

// stop leaves the inputs where they are. What was read from them is tracked, so that the ledgers balance.
func (r *run) stop() {
	r.result.Interrupted = true
	for r.in.rest(&r.records); r.records.n > 0; r.in.rest(&r.records) {
		r.track()
	}
}

// track takes the batch of records through decoding, the table and inspection.
func (r *run) track() {
	for i := range r.records.recs[:r.records.n] {
		rec := &r.records.recs[i]
		r.result.Ledger.Read.add(rec.length())
		r.sinceTold += len(rec.data)
	}
	for from := 0; from < r.records.n; {
		from = r.decoder.batch(&r.records, from, r.in.linkType, &r.packets)
		r.inspected = 0
		r.table.AddBatch(&r.packets.Batch)
		r.inspect()
		if r.extract != nil {
			r.extract.collect(r)
		}
	}
	if r.extract != nil {
		r.extract.write(r)
	}
}

// sound is flow.Options.Check.
func (r *run) sound(i int, evidence bool) bool {
	return r.decoder.sound(&r.packets, i, r.records.recs[r.packets.record[i]].data, evidence)
}

// inspect hands over the payloads that the table wants, while they are there, as far as it has taken in the batch.
func (r *run) inspect() {
	r.inspector.Touch(&r.packets.Batch, r.inspected, r.table.Added())
	for ; r.inspected < r.table.Added(); r.inspected++ {
		if p := &r.packets.Packets[r.inspected]; p.Bits&flow.Head != 0 {
			r.inspector.Packet(&r.packets.Batch, r.inspected, r.records.recs[r.packets.record[r.inspected]].data[p.PayloadOff:][:p.PayloadLen])
		}
	}
}

// ending has what a connection said in this batch inspected before it ends.
func (r *run) ending(rec uint32) {
	r.inspect()
	r.inspector.Ending(rec)
}

func (r *run) tell() {
	if r.progress != nil && r.sinceTold >= progressStep {
		r.sinceTold = 0
		r.progress(r.in.progress())
	}
}
