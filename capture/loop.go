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
	Workers        int                     // more than 1, without Stack: inputs are read, and Progress is called, in a goroutine of their own, and Emit and Learn in another, in the same order, all before Run returns; else in that of Run
	Emit           func(*flow.Conn)        // called once for each connection; it and its Facts are valid during the call; nil: they are only counted
	Young          func(*flow.Conn)        // called for open connections, only of Live; see flow.Options.Young
	Learn          inspect.Learn           // takes names and announced ports as they are seen, before any connection that begins later is emitted
	Stack          func(*flow.Stack)       // takes what SYNs and SYN-ACKs show of their senders, valid during the call; called from the goroutine of Run; nil: they are not looked at
	Progress       func(done, total int64) // stored bytes of the inputs, about once in progressStep; total is -1 where it is not known; nil: no reports
}

// progressStep is the captured bytes between two calls of Config.Progress.
const progressStep = 1 << 20

// run is one pass over the inputs.
type run struct {
	in        *inputs
	table     *flow.Table
	decoder   *decoder
	relay     *relay
	offered   int                           // packets of the batch of which the payload was offered, or is not wanted
	translate func(c *flow.Conn, last bool) // puts the true ends of a connection in place; last: it has ended; nil: they are
	*work                                   // that is being tracked
	turns     *turns                        // nil: all is done in this goroutine
	result    *Result
	extract   *extraction       // nil: the packets are not written
	stack     func(*flow.Stack) // nil: stacks are not looked at
	shown     flow.Stack        // what stack is given
	progress  func(done, total int64)
	sinceTold int
}

// Run reads all inputs once, in time order, tracks connections and emits each once, in an order that depends on the packets alone.
// When ctx is done it stops reading, and what was read is the result. The error is that of inputs that cannot be opened (an *InputError,
// without result) or read as one sequence, or of a ledger that does not balance, which is a defect of this program. A damaged input is no error: its Input says where it ends.
func Run(ctx context.Context, c Config) (*Result, error) {
	r, err := newRun(ctx, &c)
	if err != nil {
		return nil, err
	}
	return r.finish(r.read(ctx))
}

// newRun opens the inputs.
func newRun(ctx context.Context, c *Config) (*run, error) {
	options := inputOptions{hash: c.Hash}
	if c.Workers > 1 && c.Stack == nil {
		options.turns = newTurns()
	}
	relay := newRelay(c, options.turns != nil)
	if c.Learn.Name != nil {
		options.learn = func(n *flow.Name) {
			if t := options.turns; t != nil && t.reading {
				t.name(n)
			} else {
				relay.name(n)
			}
		}
	}
	if ctx.Err() == nil {
		options.stop = ctx.Done()
	}
	in, err := openInputs(c.Inputs, c.Stdin, options)
	if err != nil {
		relay.stop()
		return nil, err
	}
	r := newTracker(in, c, relay)
	r.turns = options.turns
	return r, nil
}

// newTracker makes what the packets of the inputs go through.
func newTracker(in *inputs, c *Config, relay *relay) *run {
	r := &run{in: in, result: new(Result), work: new(work), relay: relay, stack: c.Stack, progress: c.Progress}
	o := flow.Options{MaxConnections: c.MaxConnections, Key: c.Key, Seed: seed(), Check: r.sound, Emit: r.emit, Settle: r.offer}
	if c.Young != nil {
		o.Young = r.show
	}
	r.table = flow.NewTable(o)
	relay.join(r.table)
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
	r.relay.end()
	r.result.Inspection = r.relay.inspector.Counters()
	r.result.finish(r.in, r.counters())
	return r.result, errors.Join(readErr, r.result.Balanced())
}

// seed keys the table's hash; nothing in the output depends on it.
func seed() [2]uint64 {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return [2]uint64{binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:])}
}

// counters are those of the table, with the facts that were not kept.
func (r *run) counters() flow.Counters {
	c := r.table.Counters()
	c.Lost += r.relay.told.Lost()
	return c
}

// emit is flow.Options.Emit. What a connection said in this batch is offered before its end.
func (r *run) emit(rec uint32, c *flow.Conn) {
	r.offer()
	r.result.Outcomes[c.Outcome]++
	if r.translate != nil {
		r.translate(c, true)
	}
	r.relay.conn(rec, c)
}

// show is flow.Options.Young.
func (r *run) show(rec uint32, c *flow.Conn) {
	if r.translate != nil {
		r.translate(c, false)
	}
	r.relay.show(rec, c)
}

// read is the packet loop.
func (r *run) read(ctx context.Context) error {
	if r.turns != nil {
		return r.readBeside(ctx)
	}
	return r.each(ctx, func(fill func(*recordBatch) error) error {
		err := fill(&r.records)
		r.track()
		if r.extract != nil && r.extract.err != nil {
			return r.extract.err
		}
		return err
	})
}

// each calls take with what fills the next batch, until ctx is done or take returns an error, of which io.EOF is the end of the inputs. Where it
// stops before, what was read already is taken too, so that the ledgers balance, and the inputs stay where they are.
func (r *run) each(ctx context.Context, take func(fill func(*recordBatch) error) error) error {
	fill := func(b *recordBatch) error {
		err := r.in.fill(b)
		if err != nil && err != io.EOF {
			err = fmt.Errorf("reading packets: %w", err)
		}
		return err
	}
	var failure error
	for ctx.Err() == nil {
		err := take(fill)
		if err == io.EOF {
			r.result.Interrupted = ctx.Err() != nil
			return nil
		}
		if failure = err; err != nil {
			break
		}
		r.tell()
	}
	r.result.Interrupted = true
	for more := true; more; {
		take(func(b *recordBatch) error {
			r.in.rest(b)
			more = b.n > 0
			return nil
		})
	}
	return failure
}

// count adds what was read to the ledger.
func (r *run) count(b *recordBatch) {
	read, captured := r.result.Ledger.Read, 0
	for i := range b.recs[:b.n] {
		rec := &b.recs[i]
		read.add(rec.length())
		captured += len(rec.data)
	}
	r.result.Ledger.Read = read
	r.sinceTold += captured
}

// track takes the batch of records through decoding, the table and inspection.
func (r *run) track() {
	r.count(&r.records)
	for from := 0; from < r.records.n; {
		from = r.decoder.batch(&r.records, from, r.in.linkType, &r.packets)
		r.add()
		if r.stack != nil {
			r.stacks()
		}
		if r.extract != nil {
			r.extract.collect(r)
		}
	}
	if r.extract != nil {
		r.extract.write(r)
	}
}

// add takes the packets into the table, and offers their payloads to inspection.
func (r *run) add() {
	r.offered = 0
	r.table.AddBatch(&r.packets.Batch)
	r.offer()
}

// sound is flow.Options.Check.
func (r *run) sound(i int, evidence bool) bool {
	return r.decoder.sound(&r.packets, i, r.records.recs[r.packets.record[i]].data, evidence)
}

// offer hands over the payloads that the table wants, while they are there, as far as it has taken in the batch.
func (r *run) offer() {
	i, added := r.offered, r.table.Added()
	if i < added {
		r.relay.touch(&r.packets.Batch, i, added)
	}
	for ; i < added; i++ {
		if p := &r.packets.Packets[i]; p.Bits&flow.Head != 0 {
			r.relay.offer(&r.packets.Batch, i, r.records.recs[r.packets.record[i]].data[p.PayloadOff:][:p.PayloadLen])
		}
	}
	r.offered = added
}

func (r *run) tell() {
	if r.progress != nil && r.sinceTold >= progressStep {
		r.sinceTold = 0
		r.progress(r.in.progress())
	}
}
