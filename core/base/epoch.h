/*
 * Reclamation for readers that take no lock: an object that was unlinked is freed once every thread that might still
 * read it has left its section.
 *
 *     writer: publish the new object (release), then ldr_epoch_retire(old)
 *     reader: ldr_epoch_enter(); load (acquire); read; ldr_epoch_exit();
 *
 * Sections may nest, must not block, and pin nothing beyond their end. The records of threads are the one process-wide
 * state of the core.
 */
#ifndef LDR_BASE_EPOCH_H
#define LDR_BASE_EPOCH_H

void ldr_epoch_enter(void);
void ldr_epoch_exit(void);

/* Lies inside the object to be freed. */
struct ldr_retired {
    struct ldr_retired *next;
    unsigned long epoch;
    void (*free)(struct ldr_retired *retired);
};

/* Hands the object over: free() is called, by this or a later call of any thread, when no reader can see it. */
void ldr_epoch_retire(struct ldr_retired *retired, void (*free)(struct ldr_retired *retired));

/*
 * Waits until everything retired so far is freed. For closing a node and for tests; not inside a section or a free(). It
 * blocks as long as other threads stay inside theirs.
 */
void ldr_epoch_barrier(void);

#endif
