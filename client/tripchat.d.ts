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

/** A message or an edit that was sent and is not confirmed yet. */
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
  /** A text for people, from `Options.texts` or else from STATUS_TEXTS. */
  text: string;
  isRealtime: boolean;
  /** How the client receives the events of the room; null while it receives none. */
  transport: "socket" | "stream" | "poll" | null;
  /** Why the client is offline or may not enter, where it is known. */
  reason?: string;
}

export type TokenReason = "start" | "expired" | "expiring" | "refused";

export interface Options {
  /** The trip whose room the client enters: its id, of whatever form. A number must be a safe integer. */
  tripId: string | number | bigint;
  /** The address of the server. The default is the page's own origin. */
  url?: string;
  /** An access token. `token` or `getToken` is needed. */
  token?: string;
  /**
   * Returns a fresh access token. Null or undefined means that the user is signed out. An exception means
   * that there is no token now, and the client tries again later. If the reason is "expiring", the client only
   * asks again later in both cases.
   */
  getToken?: (why: { reason: TokenReason }) => string | null | undefined | Promise<string | null | undefined>;
  /** How the token goes to the socket. The default is "subprotocol". */
  tokenIn?: "subprotocol" | "query";
  /** Paths below `url`. The defaults are "ws/chat/" and "api/v1/chat/". A path ends with a slash. */
  socketPath?: string;
  apiPath?: string;
  /** How many messages the client keeps. The default is 2000. */
  maxMessages?: number;
  /** How many messages and edits may wait for their confirmation. The default is 100. */
  maxPending?: number;
  /** Used instead of the global WebSocket. With null the client uses HTTP only. */
  WebSocket?: unknown;
  /** Used instead of the global fetch. */
  fetch?: typeof fetch;
  /** Status texts by state, used instead of STATUS_TEXTS. */
  texts?: Partial<Record<State, string>>;
  /** Times in milliseconds. TIMING_MS in tripchat.js has the names and the defaults. */
  timing?: Record<string, number>;
}

/** Why the server, or the client itself, refused a request. */
export class ChatError extends Error {
  /** A code of docs/protocol.md, or one of the client: closed, too_many_pending, unreachable. */
  code: string;
  /** The field that is wrong. */
  field?: string;
  /** Seconds after which the request may be sent again. */
  retryAfter?: number;
  clientId?: string;
}

export interface Events {
  status: (status: Status) => void;
  /** The list of messages has changed. */
  messages: (messages: Message[]) => void;
  /** A new message has arrived. Messages of the user are included. */
  message: (message: Message) => void;
  pending: (pending: Pending[]) => void;
  typing: (typists: Typist[]) => void;
  /**
   * The server refused a message or an edit for good: `what`. Without `what`, the error belongs to neither.
   * A request that the client itself refuses only rejects its promise.
   */
  error: (error: ChatError, what?: Pending) => void;
}

export class TripChat {
  constructor(options: Options);

  readonly status: Status;
  readonly messages: Message[];
  readonly pending: Pending[];
  readonly typists: Typist[];
  readonly hasOlder: boolean;
  /** The client has received every event up to this seq; -1 before the first history. */
  readonly lastSeq: number;

  /** Returns a function that removes the listener. */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void;

  connect(): this;
  /** Ends the chat: no timer, no connection and no listener on the page is left. */
  close(): void;
  /** Gives the client a token that the page has got by itself. */
  setToken(token: string): this;

  /** Resolves with the stored message, however often the client had to send it. */
  send(content: string, options?: { replyTo?: string; messageType?: string }): Promise<Message>;
  edit(messageId: string, content: string): Promise<Message>;
  /** Call this at every key press. The client stops the indicator by itself. */
  typing(isTyping?: boolean): void;
  /** Loads the messages before the oldest one. Resolves with true if there are more. */
  loadOlder(options?: { limit?: number }): Promise<boolean>;
}

export const STATUS_TEXTS: Record<State, string>;
