/** The chat of mod_tripchat. docs/protocol.md says what goes over the wire. */

export interface Sender {
  id: string;
  email: string;
  username: string | null;
  full_name: string | null;
}

/** A message as it reads now. Lists are in the order of `seq`, which an edit does not change. */
export interface Message {
  id: string;
  chat_room_id: string;
  sender: Sender;
  content: string;
  message_type: string;
  reply_to: { id: string; content: string; sender_email: string } | null;
  is_edited: boolean;
  created_at: string;
  updated_at: string;
  seq: number;
}

/** What was sent, or edited, and is not confirmed yet. */
export interface Pending {
  kind: "message" | "edit";
  client_id: string;
  content: string;
  [field: string]: unknown;
}

export interface Typist {
  user_id: string;
  user_email: string;
}

export type State =
  | "idle" | "connecting" | "realtime" | "fallback" | "offline" | "unauthorized" | "forbidden" | "closed";

export interface Status {
  state: State;
  /** For people; the specification's where it has one. */
  text: string;
  isRealtime: boolean;
  /** The way the room is heard; null while it is not. */
  transport: "socket" | "stream" | "poll" | null;
  reason?: string;
}

export type TokenReason = "start" | "expired" | "expiring" | "refused";

export interface Options {
  /** The trip whose room it is. */
  tripId: string;
  /** Where the server is; the page's own origin by default. */
  url?: string;
  /** An access token, and where a fresh one comes from. One of the two is needed. */
  token?: string;
  getToken?: (why: { reason: TokenReason }) => string | null | undefined | Promise<string | null | undefined>;
  /** How the token goes to the socket: as a subprotocol unless "query". */
  tokenIn?: "subprotocol" | "query";
  /** Paths below `url`: "ws/chat/" and "api/v1/chat/". */
  socketPath?: string;
  apiPath?: string;
  /** Messages that are kept, 2000, and that may wait to be sent, 100. */
  maxMessages?: number;
  maxPending?: number;
  /** In place of the global ones; a WebSocket of null goes without. */
  WebSocket?: unknown;
  fetch?: typeof fetch;
  /** Status texts, by state. */
  texts?: Partial<Record<State, string>>;
  /** Milliseconds; the names stand in TIMING_MS. */
  timing?: Record<string, number>;
}

/** What the server, or the client itself, says against something that was asked of it. */
export class ChatError extends Error {
  code: string;
  field?: string;
  /** Seconds. */
  retryAfter?: number;
  clientId?: string;
}

export interface Events {
  status: (status: Status) => void;
  /** The list has changed. */
  messages: (messages: Message[]) => void;
  /** A new message has come, one's own included. */
  message: (message: Message) => void;
  pending: (pending: Pending[]) => void;
  typing: (typists: Typist[]) => void;
  /** Something that was sent is refused for good; `what` is it, where it is known. */
  error: (error: ChatError, what?: Pending) => void;
}

export class TripChat {
  constructor(options: Options);

  readonly status: Status;
  readonly messages: Message[];
  readonly pending: Pending[];
  readonly typists: Typist[];
  readonly hasOlder: boolean;
  /** Everything up to this event has been seen; -1 before the first history. */
  readonly lastSeq: number;

  /** Returns what takes the listener away again. */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void;

  connect(): this;
  /** The end: no timer, connection or listener is left. */
  close(): void;
  /** A token that the page has got by itself. */
  setToken(token: string): this;

  /** Resolves with the stored message, however often it had to be sent. */
  send(content: string, options?: { replyTo?: string; messageType?: string }): Promise<Message>;
  edit(messageId: string, content: string): Promise<Message>;
  /** To be called at every key; stops by itself. */
  typing(isTyping?: boolean): void;
  /** Loads the messages before the oldest one; resolves with whether there are more. */
  loadOlder(options?: { limit?: number }): Promise<boolean>;
}

export const STATUS_TEXTS: Record<State, string>;
