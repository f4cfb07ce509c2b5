//! The store as maps in memory: the executable meaning of every operation and question.
